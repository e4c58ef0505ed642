import { useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { Ready } from "../components/Ready";
import { useAddress, useRange } from "../data/address";
import { ApiError, get } from "../data/api";
import { counted, show } from "../data/format";
import { barsOf, chosenLevels, isCheap, levels, questionOf, toggled } from "../data/logs";
import { useRefetch } from "../data/queries";
import { Histogram } from "./Histogram";

/** How many entries there are of each level, over time, of those that fit all other filters. */
export function Overall({ filters }: { filters: Record<string, string> }) {
  const { level, ...others } = filters;
  const [range, setRange] = useRange();
  const [, change] = useAddress();
  const refetchInterval = useRefetch();
  const query = { ...questionOf(others, range), buckets: useBuckets() };
  // What takes the store much work is counted once a question, as the list below is read.
  const live = "last" in range && isCheap(others);
  const asked = useQuery({
    queryKey: [live ? "metrics" : "search", "log-statistics", query],
    queryFn: ({ signal }) => get("/logs/statistics", { query, signal }),
    refetchInterval: live && refetchInterval,
    ...(live ? {} : { staleTime: Number.POSITIVE_INFINITY }),
    placeholderData: (before) => before,
  });
  const chosen = chosenLevels(level);
  // The list of entries tells why a question was refused.
  if (asked.error instanceof ApiError && asked.error.status === 400) return null;
  return (
    <section className="panel logs-overall" aria-label="Entries over time">
      <Ready of={asked} what="the statistics">
        {({ data, start = "", end = "" }) => {
          const within = { from: Date.parse(start) / 1000, to: Date.parse(end) / 1000 };
          const total = levels.reduce((n, one) => n + (chosen.has(one) ? (data.by_level[one] ?? 0) : 0), 0);
          return (
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
                    <i aria-hidden="true" /> {one} <b>{show(data.by_level[one] ?? 0, "number")}</b>
                  </button>
                ))}
                <span className="faint">{counted(total, "entry fits", "entries fit")}</span>
              </fieldset>
              <Histogram
                bars={barsOf(data.histogram, chosen, within.to)}
                within={within}
                onZoom={(from, to) => setRange({ from, to })}
              />
            </>
          );
        }}
      </Ready>
    </section>
  );
}

/** About as many pixels are one bar; the count changes in steps, so that resizing seldom asks again. */
const barWidth = 10;
const stride = 200;

const watchWidth = (changed: () => void) => {
  window.addEventListener("resize", changed);
  return () => window.removeEventListener("resize", changed);
};

const useBuckets = () =>
  useSyncExternalStore(
    watchWidth,
    () => Math.min(Math.max(Math.round(window.innerWidth / stride), 1), 10) * (stride / barWidth),
  );
