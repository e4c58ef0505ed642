import { useEffect, useId, useRef, useState } from "react";
import "uplot/dist/uPlot.min.css";
import "../styles/charts.css";
import { moment, show, type Unit } from "../data/format";
import { type Look, options, uPlot } from "./draw";
import { firingAt, type Mark } from "./marks";
import type { Drawn } from "./usePanel";

interface Props {
  label: string;
  drawn: Drawn;
  unit: Unit;
  most?: number | undefined;
  threshold?: number | undefined;
  marks: readonly Mark[];
  height?: number;
  /** Without it, dragging does nothing. */
  onZoom?: (from: number, to: number) => void;
}

/** Changes with the system's preference for dark or light: a canvas does not follow by itself. */
function useScheme() {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const listener = () => setDark(media.matches);
    media.addEventListener("change", listener);
    return () => media.removeEventListener("change", listener);
  }, []);
  return dark;
}

/** Lines over time. Pointing at one chart shows the exact values of all; dragging zooms; arrow keys do as pointing. */
export function Chart({ label, drawn, unit, most, threshold, marks, height = 190, onZoom }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const live = useRef({ from: drawn.from, to: drawn.to, marks });
  const latest = useRef({ drawn, onZoom });
  latest.current = { drawn, onZoom };
  const dark = useScheme();
  const hint = useId();
  const shape = drawn.series.map((s) => s.label).join("|");

  // biome-ignore lint/correctness/useExhaustiveDependencies: dark and shape stand for what the chart is made of; all else is set on the living chart.
  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const look: Look = {
      unit,
      most,
      threshold,
      series: latest.current.drawn.series,
      live: live.current,
      onZoom: onZoom && ((from, to) => latest.current.onZoom?.(from, to)),
      onCursor: (index) => say(index),
    };
    const say = (index: number | null) =>
      tell(readout.current, element, latest.current.drawn, unit, live.current.marks, index);
    const width = () => Math.max(element.clientWidth, 120);
    const u = new uPlot(options(look, width(), height), dataOf(latest.current.drawn), element);
    plot.current = u;
    say(null);
    const resize = new ResizeObserver(() => {
      if (u.width !== width()) u.setSize({ width: width(), height });
    });
    resize.observe(element);
    return () => {
      resize.disconnect();
      u.destroy();
      plot.current = null;
    };
  }, [dark, shape, unit, most, threshold, height]);

  useEffect(() => {
    Object.assign(live.current, { from: drawn.from, to: drawn.to, marks });
    const u = plot.current;
    if (!u) return;
    u.setData(dataOf(drawn));
    if (holder.current) tell(readout.current, holder.current, drawn, unit, marks, u.cursor.idx ?? null);
  }, [drawn, marks, unit]);

  const move = (event: React.KeyboardEvent) => {
    const u = plot.current;
    const last = drawn.columns.times.length - 1;
    if (!u || last < 0) return;
    const now = u.cursor.idx ?? last;
    const stride = event.shiftKey ? 10 : 1;
    const target = { ArrowLeft: now - stride, ArrowRight: now + stride, Home: 0, End: last }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    const index = Math.min(Math.max(target, 0), last);
    // The types do not know the last two parameters: tell this chart's hooks, and the other charts.
    const point = u.setCursor as (at: { left: number; top: number }, fire: boolean, publish: boolean) => void;
    point({ left: u.valToPos(drawn.columns.times[index] ?? 0, "x"), top: 10 }, true, true);
  };

  return (
    <div className="chart">
      <div className="readout" ref={readout}>
        {drawn.series.map((s) => (
          <span key={s.label}>
            <Swatch colour={s.colour} dash={s.dash ?? false} />
            {s.label} <b />
          </span>
        ))}
        <time />
      </div>
      <div
        ref={holder}
        className="plot"
        role="slider"
        tabIndex={0}
        aria-label={`${label} over time`}
        aria-describedby={hint}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, drawn.columns.times.length - 1)}
        aria-valuenow={Math.max(0, drawn.columns.times.length - 1)}
        onKeyDown={move}
      />
      <p className="firing" aria-hidden="true" />
      <span className="hidden" id={hint}>
        Arrow keys move through time. The same values are in the table.
      </span>
    </div>
  );
}

export const Swatch = ({ colour, dash }: { colour: number; dash: boolean }) => (
  <svg className={`swatch c${colour}`} viewBox="0 0 16 6" width="16" height="6" aria-hidden="true">
    <path d="M0 3h16" stroke="currentColor" strokeWidth="2.5" strokeDasharray={dash ? "5 3" : "none"} />
  </svg>
);

const dataOf = ({ columns }: Drawn): uPlot.AlignedData => [columns.times, ...columns.values];

/** Writes the values at an index, the last known ones without it; past React, because it follows the pointer. */
function tell(
  readout: HTMLElement | null,
  element: HTMLElement,
  { columns, series }: Drawn,
  unit: Unit,
  marks: readonly Mark[],
  index: number | null,
) {
  if (!readout) return;
  const last = columns.times.length - 1;
  const at = index === null || index > last ? last : index;
  const parts: string[] = [];
  const cells = readout.querySelectorAll("b");
  for (const [i, s] of series.entries()) {
    const text = show(columns.values[i]?.[at], unit);
    const cell = cells[i];
    if (cell) cell.textContent = text;
    parts.push(`${s.label} ${text}`);
  }
  const time = columns.times[at];
  const when = time === undefined ? "" : moment(time * 1000);
  const clock = readout.querySelector("time");
  if (clock) clock.textContent = when;
  // Which alerts the marks under the chart stand for is said while one points at their time.
  const firing = firingAt(marks, time);
  const label = readout.parentElement?.querySelector(".firing");
  if (label) label.textContent = index === null ? "" : firing;
  if (firing) parts.push(`firing: ${firing}`);
  element.setAttribute("aria-valuetext", `${when}: ${parts.join(", ")}`);
  if (at >= 0) element.setAttribute("aria-valuenow", String(at));
}
