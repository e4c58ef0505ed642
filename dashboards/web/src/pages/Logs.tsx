import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { Exports } from "../components/Exports";
import { Icon } from "../components/Icon";
import { RangePicker } from "../components/RangePicker";
import { Ready } from "../components/Ready";
import { View } from "../components/Shell";
import { useAddress, useRange } from "../data/address";
import { get, type Query } from "../data/api";
import { counted } from "../data/format";
import { chosenLevels, type Entry, filtersOf, levels, questionOf, toggled } from "../data/logs";
import { useRefetch } from "../data/queries";
import { minutesBack } from "../data/range";
import { Histogram } from "../logs/Histogram";
import { LogList } from "../logs/LogList";
import { useTail } from "../logs/useTail";
import "../styles/logs.css";

export default function Logs() {
  const [params, change] = useAddress();
  const [range] = useRange();
  const text = params.toString();
  const filters = useMemo(() => filtersOf(new URLSearchParams(text)), [text]);
  const following = params.get("follow") === "1" && "last" in range;
  const question = useMemo(() => questionOf(filters, range), [filters, range]);
  return (
    <View
      title="Logs"
      tools={
        <>
          <button
            type="button"
            className="button"
            aria-pressed={following}
            disabled={!("last" in range)}
            onClick={() => change({ follow: following ? undefined : "1" })}
          >
            <Icon name={following ? "pause" : "play"} /> Follow
          </button>
          <Exports kind="logs" query={question} />
          <RangePicker />
        </>
      }
    >
      <Filters filters={filters} />
      <Overall level={filters["level"]} />
      {following ? <Following filters={filters} /> : <Found question={question} />}
    </View>
  );
}

/** Typing waits this long for the next letter before it asks. */
const pause = 300;

function Filters({ filters }: { filters: Record<string, string> }) {
  const [, change] = useAddress();
  const more = Object.entries(filters).filter(([key]) => key === "request_id" || key.startsWith("field."));
  return (
    <search className="filters">
      <Typed label="Words" name="text" value={filters["text"] ?? ""} className="grow" />
      <Typed label="Message matches (RE2)" name="pattern" value={filters["pattern"] ?? ""} className="grow" />
      <Typed label="Logger" name="logger" value={filters["logger"] ?? ""} className="" />
      {more.map(([key, value]) => (
        <button type="button" key={key} className="button chip" onClick={() => change({ [key]: undefined })}>
          <span className="break">
            {key.replace("field.", "")} = {value}
          </span>
          <Icon name="cross" />
          <span className="hidden">remove filter</span>
        </button>
      ))}
    </search>
  );
}

function Typed({
  label,
  name,
  value,
  className,
}: {
  label: string;
  name: string;
  value: string;
  className: string;
}) {
  const [, change] = useAddress();
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => change({ [name]: typed }, { replace: true }), pause);
    return () => clearTimeout(timer);
  }, [typed, value, name, change]);
  return (
    <label className={`field ${className}`}>
      <span>{label}</span>
      <input type="search" value={typed} onChange={(e) => setTyped(e.target.value)} />
    </label>
  );
}

/** How many entries there are of each level, over time. */
function Overall({ level }: { level: string | undefined }) {
  const [range, setRange] = useRange();
  const [, change] = useAddress();
  const hours = Math.max(1, Math.ceil(minutesBack(range, Date.now() / 1000) / 60));
  const refetchInterval = useRefetch();
  const asked = useQuery({
    queryKey: ["metrics", "log-statistics", hours],
    queryFn: ({ signal }) => get("/logs/statistics", { query: { hours }, signal }),
    refetchInterval,
    placeholderData: (before) => before,
  });
  const chosen = chosenLevels(level);
  return (
    <section className="panel logs-overall" aria-label="Entries over time">
      <Ready of={asked} what="the statistics">
        {({ data }) => (
          <>
            <fieldset className="levels">
              <legend className="hidden">Levels</legend>
              {levels.map((one) => (
                <button
                  type="button"
                  key={one}
                  className={`button quiet level ${one}`}
                  aria-pressed={level !== undefined && chosen.has(one)}
                  onClick={() => change({ level: toggled(level, one) })}
                >
                  <i aria-hidden="true" /> {one} <b>{data.by_level[one] ?? 0}</b>
                </button>
              ))}
              <span className="faint">of all loggers, last {counted(hours, "hour")}</span>
            </fieldset>
            <Histogram
              histogram={data.histogram}
              chosen={chosen}
              range={range}
              at={asked.dataUpdatedAt / 1000}
              onZoom={(from, to) => setRange({ from, to })}
            />
          </>
        )}
      </Ready>
    </section>
  );
}

const pageSize = 500;

function Found({ question }: { question: Query }) {
  const asked = useInfiniteQuery({
    queryKey: ["logs", "search", question],
    queryFn: ({ pageParam, signal }) =>
      get("/logs/search", { query: { ...question, limit: pageSize, cursor: pageParam }, signal }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    // A list that is being read does not move: what is newer comes with a new question or by following.
    staleTime: Number.POSITIVE_INFINITY,
  });
  const entries = useMemo(() => asked.data?.pages.flatMap((p) => p.data as Entry[]) ?? [], [asked.data]);
  return (
    <section className="panel" aria-label="Log entries">
      <Ready of={asked} what="log entries" empty={() => entries.length === 0 && <Nothing />}>
        {() => (
          <LogList
            entries={entries}
            onEnd={() => {
              if (asked.hasNextPage && !asked.isFetching) void asked.fetchNextPage();
            }}
            end={
              asked.hasNextPage
                ? "Loading older entries…"
                : `All ${counted(entries.length, "entry", "entries")}.`
            }
          />
        )}
      </Ready>
    </section>
  );
}

const Nothing = () => (
  <>
    <strong>No entry fits.</strong>
    <span>Widen the range or remove a filter.</span>
  </>
);

function Following({ filters }: { filters: Record<string, string> }) {
  const { entries, dropped, state } = useTail(filters);
  return (
    <section className="panel" aria-label="Log entries">
      <p className="calm" role="status">
        {state === "open"
          ? "Following: the newest entries come on top."
          : "Waiting for the stream of entries…"}
        {dropped > 0 &&
          ` ${counted(dropped, "entry was", "entries were")} left out because this page was too slow.`}
      </p>
      {entries.length > 0 && (
        <LogList
          entries={entries}
          onEnd={() => {}}
          end={`${counted(entries.length, "entry", "entries")} since you follow.`}
        />
      )}
    </section>
  );
}
