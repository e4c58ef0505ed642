/** Series in the form that charts draw: one column of times in seconds and one column of values a series. */
import type { PromSeries } from "./api";

export type Value = number | null;

export interface Columns {
  times: number[];
  values: Value[][];
}

/** What series a chart shows is decided by the panel; this only brings them into columns. */
export type Reader<Row> = (row: Row) => Value | undefined;

export const seconds = (timestamp: string) => Date.parse(timestamp) / 1000;

/** Columns of rows that carry a timestamp, of those within the bounds. */
export function fromRows<Row extends { timestamp: string }>(
  rows: readonly Row[],
  readers: readonly Reader<Row>[],
  within: { from: number; to: number },
): Columns {
  const times: number[] = [];
  const values: Value[][] = readers.map(() => []);
  for (const row of rows) {
    const at = seconds(row.timestamp);
    if (at < within.from || at > within.to) continue;
    times.push(at);
    for (const [i, read] of readers.entries()) values[i]?.push(read(row) ?? null);
  }
  return withGaps({ times, values });
}

/** How much a counter grew between neighbours, per second; a counter that fell was restarted and counts in full. */
export function perSecond({ times, values }: Columns): Columns {
  return {
    times: times.slice(1),
    values: values.map((column) =>
      column.slice(1).map((value, i) => {
        const before = column[i] ?? null;
        const span = (times[i + 1] ?? 0) - (times[i] ?? 0);
        if (value === null || before === null || span <= 0) return null;
        return (value >= before ? value - before : value) / span;
      }),
    ),
  };
}

/** Puts an empty row where samples are missing, so that a line does not pretend to know. */
export function withGaps({ times, values }: Columns, usual = typicalStep(times)): Columns {
  if (usual === 0) return { times, values };
  const out: Columns = { times: [], values: values.map(() => []) };
  for (const [i, at] of times.entries()) {
    const before = times[i - 1];
    if (before !== undefined && at - before > 2.5 * usual) {
      out.times.push(before + usual);
      for (const column of out.values) column.push(null);
    }
    out.times.push(at);
    for (const [s, column] of out.values.entries()) column.push(values[s]?.[i] ?? null);
  }
  return out;
}

/** The median distance between neighbours, 0 where there are none. */
export function typicalStep(times: readonly number[]): number {
  const steps = times.slice(1).map((at, i) => at - (times[i] ?? at));
  steps.sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}

/** Columns of the answers to PromQL range queries, which share their steps. */
export function fromMatrices(answers: readonly PromSeries[], step: number): Columns {
  const all = new Set<number>();
  for (const one of answers) for (const [at] of one.values ?? []) all.add(at);
  const times = [...all].sort((a, b) => a - b);
  const index = new Map(times.map((at, i) => [at, i]));
  const values = answers.map((one) => {
    const column: Value[] = new Array<Value>(times.length).fill(null);
    for (const [at, text] of one.values ?? []) {
      const value = Number(text);
      const i = index.get(at);
      if (i !== undefined && Number.isFinite(value)) column[i] = value;
    }
    return column;
  });
  return withGaps({ times, values }, step);
}

export interface Stats {
  last: Value;
  mean: Value;
  least: Value;
  most: Value;
}

export function statsOf(column: readonly Value[]): Stats {
  let sum = 0;
  let n = 0;
  let last: Value = null;
  let least: Value = null;
  let most: Value = null;
  for (const value of column) {
    if (value === null) continue;
    sum += value;
    n++;
    last = value;
    least = least === null || value < least ? value : least;
    most = most === null || value > most ? value : most;
  }
  return { last, mean: n > 0 ? sum / n : null, least, most };
}

export type Trend = "increasing" | "decreasing" | "stable";

/** The trend of a line fitted through the values: a change over the whole span of more than `least` counts. */
export function trendOf(column: readonly Value[], least: number): Trend {
  const points = column.flatMap((value, i) => (value === null ? [] : [[i, value] as const]));
  const n = points.length;
  if (n < 2) return "stable";
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  let above = 0;
  let below = 0;
  for (const [x, y] of points) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  const change = (above / below) * ((points[n - 1]?.[0] ?? 0) - (points[0]?.[0] ?? 0));
  if (change > least) return "increasing";
  return change < -least ? "decreasing" : "stable";
}
