import { defaultRangeExtractor, type Range, useWindowVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { moment, precise } from "../data/format";
import { briefOf, type Entry } from "../data/logs";
import { EntryDetails } from "./EntryDetails";

interface Props {
  entries: readonly Entry[];
  /** Called when the end is near. */
  onEnd: () => void;
  end: React.ReactNode;
  /** Told whether somebody reads: has scrolled into the list, opened an entry, or moves through it by keyboard. */
  onReading?: (reading: boolean) => void;
}

const rowHeight = 28;

/** So many rows before the end it is near. */
const ahead = 100;

/** Any number of entries, of which only those in sight are drawn. Arrow keys move through them. */
export function LogList({ entries, onEnd, end, onReading }: Props) {
  const list = useRef<HTMLOListElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => setTop(list.current?.offsetTop ?? 0), []);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const { focused, handlers } = useFocus(list, entries.length);
  const virtual = useWindowVirtualizer({
    count: entries.length,
    estimateSize: () => rowHeight,
    overscan: 12,
    scrollMargin: top,
    // A new function would have every row measured again.
    getItemKey: useCallback((i: number) => entries[i]?._id ?? i, [entries]),
    // The row that has the focus stays, however far one scrolls.
    rangeExtractor: useCallback((range: Range) => withRow(defaultRangeExtractor(range), focused), [focused]),
  });
  const { startIndex = 0, endIndex = 0 } = virtual.range ?? {};
  useEffect(() => {
    if (entries.length > 0 && endIndex >= entries.length - ahead) onEnd();
  }, [endIndex, entries.length, onEnd]);
  const reading = startIndex > 0 || open.size > 0 || focused >= 0;
  useEffect(() => onReading?.(reading), [reading, onReading]);
  const toggle = (id: string) =>
    setOpen((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  return (
    <>
      <ol className="log" ref={list} style={{ height: virtual.getTotalSize() }} {...handlers}>
        {virtual.getVirtualItems().map((row) => {
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

function withRow(rows: number[], row: number): number[] {
  if (row < 0 || rows.includes(row)) return rows;
  return [...rows, row].sort((a, b) => a - b);
}

const strides: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };

/** Which row has the focus, -1 for none, and what moves it. */
function useFocus(list: React.RefObject<HTMLOListElement | null>, count: number) {
  const [focused, setFocused] = useState(-1);
  const wanted = useRef(-1);
  useEffect(() => {
    if (wanted.current !== focused) return;
    wanted.current = -1;
    list.current?.querySelector<HTMLElement>(`[data-index="${focused}"] > .entry`)?.focus();
  }, [focused, list]);
  const rowOf = (target: EventTarget) =>
    Number((target as Element).closest<HTMLElement>("[data-index]")?.dataset["index"] ?? -1);
  const handlers = {
    onFocus: (event: React.FocusEvent) => setFocused(rowOf(event.target)),
    onBlur: (event: React.FocusEvent) => {
      if (!event.currentTarget.contains(event.relatedTarget) && wanted.current < 0) setFocused(-1);
    },
    onKeyDown: (event: React.KeyboardEvent) => {
      const stride = strides[event.key];
      if (stride === undefined || !(event.target as Element).matches(".entry")) return;
      event.preventDefault();
      wanted.current = Math.min(Math.max(rowOf(event.target) + stride, 0), count - 1);
      setFocused(wanted.current);
    },
  };
  return { focused, handlers };
}

export function EntryRow({ entry, open, onToggle }: { entry: Entry; open: boolean; onToggle: () => void }) {
  const { time, ms } = precise(entry.timestamp);
  return (
    <>
      <button type="button" className={`entry ${entry.level}`} aria-expanded={open} onClick={onToggle}>
        <time dateTime={entry.timestamp} title={moment(entry.timestamp)}>
          {time}
          <span className="ms">{ms}</span>
        </time>
        <b>{entry.level}</b>
        <span className="logger">{entry.logger}</span>
        <span className="said">
          <span className="message">{entry.message}</span>
          {briefOf(entry).map(([name, value]) => (
            <span className="brief" key={name}>
              {" "}
              {name}=<span>{value}</span>
            </span>
          ))}
        </span>
      </button>
      {open && <EntryDetails entry={entry} />}
    </>
  );
}
