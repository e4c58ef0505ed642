/** How charts look: options and drawing hooks for uPlot. */
import uPlot from "uplot";
import { show, type Unit } from "../data/format";
import type { Mark } from "./marks";

/** Looks colours up once each, because charts are drawn often and change their colours seldom. */
function palette() {
  const style = getComputedStyle(document.documentElement);
  const known = new Map<string, string>();
  return (name: string) => {
    const colour = known.get(name) ?? style.getPropertyValue(name).trim();
    known.set(name, colour);
    return colour;
  };
}

type Ink = ReturnType<typeof palette>;

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (n: number) => String(n).padStart(2, "0");

/** Labels of the time axis: the day where it begins, else the time. */
export function tickLabels(splits: readonly number[], step: number): string[] {
  return splits.map((at) => {
    const d = new Date(at * 1000);
    const midnight = d.getHours() === 0 && d.getMinutes() === 0 && d.getSeconds() === 0;
    if (step >= 86_400 || midnight) return `${d.getDate()} ${months[d.getMonth()]}`;
    const time = `${two(d.getHours())}:${two(d.getMinutes())}`;
    return step < 60 ? `${time}:${two(d.getSeconds())}` : time;
  });
}

/** The upper end of the value axis; a threshold is in sight once values come half way to it. */
export function topOf(
  largest: number | null,
  most: number | undefined,
  threshold: number | undefined,
): number {
  if (most !== undefined) return most;
  const top = Math.max(largest ?? 0, 0);
  if (threshold !== undefined && top > threshold / 2) return Math.max(top, threshold) * 1.15;
  return top === 0 ? 1 : top * 1.15;
}

export interface Look {
  unit: Unit;
  most?: number | undefined;
  threshold?: number | undefined;
  series: readonly { label: string; colour: number; dash?: boolean }[];
  /** What changes while the chart lives. */
  live: { from: number; to: number; marks: readonly Mark[] };
  onZoom: ((from: number, to: number) => void) | undefined;
  onCursor: (index: number | null) => void;
}

export function options(look: Look, width: number, height: number): uPlot.Options {
  const ink = palette();
  const axis: uPlot.Axis = {
    stroke: ink("--faint"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: ink("--chart-grid"), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height,
    legend: { show: false },
    padding: [8, 16, 0, 0],
    cursor: {
      sync: { key: "time" },
      drag: { x: look.onZoom !== undefined, y: false, setScale: false },
      points: { size: 7 },
      y: false,
    },
    scales: {
      x: { time: true, range: () => [look.live.from, look.live.to] },
      y: { range: (_u, _min, max) => [0, topOf(max, look.most, look.threshold)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 70,
        size: 26,
        values: (_u, splits, _i, _space, step) => tickLabels(splits, step),
      },
      { ...axis, size: 62, space: 34, values: (_u, splits) => splits.map((v) => show(v, look.unit)) },
    ],
    series: [
      {},
      ...look.series.map(
        (s): uPlot.Series => ({
          label: s.label,
          stroke: ink(`--chart-${s.colour}`),
          width: 1.5,
          points: { show: false },
          ...(s.dash ? { dash: [5, 3] } : {}),
        }),
      ),
    ],
    hooks: {
      drawClear: [(u) => drawMarks(u, ink, look.live.marks)],
      draw: [(u) => drawThreshold(u, ink, look)],
      setCursor: [(u) => look.onCursor(u.cursor.idx ?? null)],
      setSelect: [
        (u) => {
          const { left, width: wide } = u.select;
          // The other charts select along, without an event of their own.
          if (wide >= 4 && u.cursor.event) look.onZoom?.(u.posToVal(left, "x"), u.posToVal(left + wide, "x"));
          u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        },
      ],
    },
  };
}

function drawMarks(u: uPlot, ink: Ink, marks: readonly Mark[]) {
  const { ctx, bbox } = u;
  const scale = devicePixelRatio;
  const first = u.scales["x"]?.min ?? 0;
  const last = u.scales["x"]?.max ?? 0;
  ctx.save();
  for (const mark of marks) {
    if (mark.to < first || mark.from > last) continue;
    const left = u.valToPos(Math.max(mark.from, first), "x", true);
    const right = Math.max(u.valToPos(Math.min(mark.to, last), "x", true), left + scale);
    if (mark.own) {
      ctx.fillStyle = ink(`--${mark.severity}-soft`);
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    ctx.fillStyle = ink(`--${mark.severity}`);
    ctx.fillRect(left, bbox.top + bbox.height, right - left, 3 * scale);
    if (mark.from >= first) {
      // A flag where it fired.
      ctx.beginPath();
      ctx.moveTo(left - 4 * scale, bbox.top + bbox.height + 8 * scale);
      ctx.lineTo(left + 4 * scale, bbox.top + bbox.height + 8 * scale);
      ctx.lineTo(left, bbox.top + bbox.height);
      ctx.fill();
    }
  }
  ctx.restore();
}

function drawThreshold(u: uPlot, ink: Ink, { threshold }: Look) {
  if (threshold === undefined || threshold > (u.scales["y"]?.max ?? 0)) return;
  const { ctx, bbox } = u;
  const y = Math.round(u.valToPos(threshold, "y", true)) + 0.5;
  ctx.save();
  ctx.strokeStyle = ink("--high");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

export { uPlot };
