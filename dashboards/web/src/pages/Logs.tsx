import { useEffect, useMemo, useState } from "react";
import { Exports } from "../components/Exports";
import { Icon } from "../components/Icon";
import { RangePicker } from "../components/RangePicker";
import { View } from "../components/Shell";
import { useAddress, useRange } from "../data/address";
import { filtersOf, questionOf } from "../data/logs";
import { Following } from "../logs/Following";
import { Found } from "../logs/Found";
import { Overall } from "../logs/Overall";
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
      <Overall filters={filters} />
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
    <search className="filters two">
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
