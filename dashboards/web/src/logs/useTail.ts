import { useEffect, useState } from "react";
import { rest } from "../base";
import { withQuery } from "../data/api";
import type { Entry } from "../data/logs";

interface Tail {
  /** The newest first. */
  entries: Entry[];
  /** How many came, those no longer kept included. */
  arrived: number;
  dropped: number;
  state: "waiting" | "open";
}

const nothing: Tail = { entries: [], arrived: 0, dropped: 0, state: "waiting" };

/** As many entries are kept; older ones are found by searching. */
const most = 5000;
/** Entries are shown in rounds, so that a flood does not draw the list for each. */
const round = 200;

/** Follows the entries that fit. The browser itself comes back after a break, with the id of what it has. */
export function useTail(filters: Record<string, string>): Tail {
  const [tail, setTail] = useState<Tail>(nothing);
  useEffect(() => {
    setTail(nothing);
    const source = new EventSource(withQuery(rest("/logs/tail"), { ...filters, start: "-1m" }));
    let arrived: Entry[] = [];
    const seen = new Set<string>();
    const timer = setInterval(() => {
      if (arrived.length === 0) return;
      const fresh = arrived.reverse();
      arrived = [];
      setTail((t) => ({
        ...t,
        entries: [...fresh, ...t.entries].slice(0, most),
        arrived: t.arrived + fresh.length,
      }));
    }, round);
    source.onopen = () => setTail((t) => ({ ...t, state: "open" }));
    source.onerror = () => setTail((t) => ({ ...t, state: "waiting" }));
    source.onmessage = (event: MessageEvent<string>) => {
      const entry = JSON.parse(event.data) as Entry;
      if (seen.has(entry._id)) return; // After a break entries may come again.
      if (seen.size >= most) seen.clear();
      seen.add(entry._id);
      arrived.push(entry);
    };
    source.addEventListener("dropped", (event) => {
      const { count } = JSON.parse((event as MessageEvent<string>).data) as { count: number };
      setTail((t) => ({ ...t, dropped: t.dropped + count }));
    });
    return () => {
      clearInterval(timer);
      source.close();
    };
  }, [filters]);
  return tail;
}
