import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { clock, moment } from "../data/format";
import type { Entry } from "../data/logs";
import { EntryDetails } from "./EntryDetails";

interface Props {
  entries: readonly Entry[];
  /** Called when the end comes into sight. */
  onEnd: () => void;
  end: string;
}

const rowHeight = 28;

/** Any number of entries, of which only those in sight are drawn. */
export function LogList({ entries, onEnd, end }: Props) {
  const list = useRef<HTMLOListElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => setTop(list.current?.offsetTop ?? 0), []);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const virtual = useWindowVirtualizer({
    count: entries.length,
    estimateSize: () => rowHeight,
    overscan: 12,
    scrollMargin: top,
    getItemKey: (i) => entries[i]?._id ?? i,
  });
  const rows = virtual.getVirtualItems();
  const lastShown = rows.at(-1)?.index ?? 0;
  useEffect(() => {
    if (entries.length > 0 && lastShown >= entries.length - 1) onEnd();
  }, [lastShown, entries.length, onEnd]);
  const toggle = (id: string) =>
    setOpen((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  return (
    <>
      <ol className="log" ref={list} style={{ height: virtual.getTotalSize() }}>
        {rows.map((row) => {
          const entry = entries[row.index];
          if (!entry) return null;
          return (
            <li
              key={row.key}
              data-index={row.index}
              ref={virtual.measureElement}
              aria-setsize={entries.length}
              aria-posinset={row.index + 1}
              style={{ transform: `translateY(${row.start - virtual.options.scrollMargin}px)` }}
            >
              <EntryRow entry={entry} open={open.has(entry._id)} onToggle={() => toggle(entry._id)} />
            </li>
          );
        })}
      </ol>
      <p className="calm faint">{end}</p>
    </>
  );
}

export function EntryRow({ entry, open, onToggle }: { entry: Entry; open: boolean; onToggle: () => void }) {
  return (
    <>
      <button type="button" className={`entry ${entry.level}`} aria-expanded={open} onClick={onToggle}>
        <time dateTime={entry.timestamp} title={moment(entry.timestamp)}>
          {clock(entry.timestamp)}
          <span className="ms">{entry.timestamp.slice(19, 23)}</span>
        </time>
        <b>{entry.level}</b>
        <span className="logger">{entry.logger}</span>
        <span className="message">{entry.message}</span>
      </button>
      {open && <EntryDetails entry={entry} />}
    </>
  );
}
