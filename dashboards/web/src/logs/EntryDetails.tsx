import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { Ready } from "../components/Ready";
import { useAddress } from "../data/address";
import { get } from "../data/api";
import { clock, moment } from "../data/format";
import { type Entry, filterFor, furtherFields, textOf } from "../data/logs";
import { rangeParams } from "../data/range";

/** Everything an entry says, each value a filter, and ways on from it. */
export function EntryDetails({ entry }: { entry: Entry }) {
  const [around, setAround] = useState(false);
  const fields: [string, unknown][] = [
    ["level", entry.level],
    ["logger", entry.logger],
    ...furtherFields(entry),
  ];
  return (
    <div className="details">
      <p className="whole break">{entry.message}</p>
      <dl className="pairs">
        <div>
          <dt>timestamp</dt>
          <dd className="mono">
            {moment(entry.timestamp)} <span className="faint">{entry.timestamp}</span>
          </dd>
        </div>
        {fields.map(([name, value]) => (
          <div key={name}>
            <dt className="break">{name}</dt>
            <dd className="mono">
              <Value name={name} value={value} />
            </dd>
          </div>
        ))}
      </dl>
      <div className="filters">
        <button type="button" className="button" aria-expanded={around} onClick={() => setAround(!around)}>
          Context
        </button>
        <RequestLinks entry={entry} />
      </div>
      {around && <Context entry={entry} />}
    </div>
  );
}

function Value({ name, value }: { name: string; value: unknown }) {
  const [, change] = useAddress();
  const text = textOf(value);
  const filter = filterFor(name, value);
  if (text.includes("\n")) return <pre className="scroll">{text}</pre>;
  if (!filter) return <span className="break">{text}</span>;
  return (
    <button
      type="button"
      className="value break"
      title={`Only entries with this ${name}`}
      onClick={() => change(filter)}
    >
      {text}
    </button>
  );
}

/** A request may log for so long before and after one of its entries. */
const reach = 900;

function RequestLinks({ entry }: { entry: Entry }) {
  const id = entry["request_id"];
  const at = Date.parse(entry.timestamp) / 1000;
  const time = new URLSearchParams(
    Object.entries(rangeParams({ from: at - reach, to: at + reach })).flatMap(([k, v]) =>
      v ? [[k, v]] : [],
    ),
  ).toString();
  const path = entry["path"];
  const endpoint = typeof path === "string" ? `&endpoint=${encodeURIComponent(path)}` : "";
  return (
    <>
      {typeof id === "string" && id !== "" && (
        <Link className="button" href={`/logs?${time}&request_id=${encodeURIComponent(id)}`}>
          This request
        </Link>
      )}
      <Link className="button" href={`/requests?${time}${endpoint}`}>
        API at this time
      </Link>
      <Link className="button" href={`/system?${time}`}>
        System at this time
      </Link>
    </>
  );
}

const neighbours = 8;

/** What was logged just before and after. */
function Context({ entry }: { entry: Entry }) {
  const asked = useQuery({
    queryKey: ["logs", "context", entry._id],
    queryFn: ({ signal }) =>
      get("/logs/context", { query: { id: entry._id, before: neighbours, after: neighbours }, signal }),
    staleTime: 60_000,
  });
  return (
    <Ready of={asked} what="the entries around it">
      {({ data }) => (
        <ol className="context" aria-label="Entries around this one, the oldest first">
          {data.map((e) => (
            <li
              key={e._id}
              className={e._id === entry._id ? "entry here" : "entry"}
              aria-current={e._id === entry._id || undefined}
            >
              <time dateTime={e.timestamp}>{clock(e.timestamp)}</time>
              <b>{e.level}</b>
              <span className="logger">{e.logger}</span>
              <span className="message">{e.message}</span>
            </li>
          ))}
        </ol>
      )}
    </Ready>
  );
}
