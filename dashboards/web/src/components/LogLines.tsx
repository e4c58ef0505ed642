import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { ApiError, get, type Query } from "../data/api";
import { clock } from "../data/format";
import { useRefetch } from "../data/queries";
import { Panel } from "./Panel";
import { Ready } from "./Ready";

interface Props {
  title: string;
  /** What is searched for, and the address of the same in the view of logs. */
  query: Query;
  all: string;
  nothing: string;
  /** Lines that are still asked for as new ones come. */
  live?: boolean;
}

/** A few log lines beside something else; nothing where this llmwatch keeps no logs. */
export function LogLines({ title, query, all, nothing, live = false }: Props) {
  const refetchInterval = useRefetch();
  const asked = useQuery({
    // New metrics are the beat at which new lines are looked for.
    queryKey: [live ? "metrics" : "logs", "lines", query],
    queryFn: ({ signal }) => get("/logs/search", { query, signal }),
    refetchInterval: live && refetchInterval,
    placeholderData: (before) => before,
  });
  if (asked.error instanceof ApiError && asked.error.code === "log_store_unavailable") return null;
  return (
    <Panel title={title} more={<Link href={all}>All</Link>}>
      <Ready of={asked} what="log entries" empty={({ count }) => count === 0 && nothing}>
        {({ data }) => (
          <ol className="lines">
            {data.map((e) => (
              <li key={e._id}>
                <time dateTime={e.timestamp}>{clock(e.timestamp)}</time>
                <b>{e.level}</b>
                <span className="message">{e.message}</span>
              </li>
            ))}
          </ol>
        )}
      </Ready>
    </Panel>
  );
}
