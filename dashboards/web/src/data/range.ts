/** The time range that a view shows, and its form in the address. */

export type Range = { last: number } | { from: number; to: number };

/** Seconds by the names that stand in addresses and on buttons. */
export const presets = {
  "15m": 900,
  "1h": 3600,
  "3h": 3 * 3600,
  "6h": 6 * 3600,
  "12h": 12 * 3600,
  "24h": 86_400,
  "7d": 7 * 86_400,
  "30d": 30 * 86_400,
} as const;

export type Preset = keyof typeof presets;

export const isPreset = (text: string | null): text is Preset =>
  text !== null && Object.hasOwn(presets, text);

/** No range reaches further back: nothing behind it is asked for. */
const furthest = 30 * 86_400;

const isoSeconds = (seconds: number) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

/** Reads a range from an address; what is not one is the fallback. */
export function parseRange(params: URLSearchParams, fallback: Preset): Range {
  const from = Date.parse(params.get("from") ?? "") / 1000;
  const to = Date.parse(params.get("to") ?? "") / 1000;
  if (from < to && to - from <= furthest) return { from, to };
  const name = params.get("range");
  return { last: presets[isPreset(name) ? name : fallback] };
}

/** What a range adds to an address. */
export function rangeParams(range: Range): Record<"range" | "from" | "to", string | undefined> {
  if ("last" in range) return { range: presetName(range.last), from: undefined, to: undefined };
  return { range: undefined, from: isoSeconds(Math.floor(range.from)), to: isoSeconds(Math.ceil(range.to)) };
}

export function presetName(seconds: number): Preset | undefined {
  return (Object.keys(presets) as Preset[]).find((name) => presets[name] === seconds);
}

/** The bounds in seconds. */
export function bounds(range: Range, now: number): { from: number; to: number } {
  return "last" in range ? { from: now - range.last, to: now } : range;
}

/** The length in seconds. */
export const lengthOf = (range: Range) => ("last" in range ? range.last : range.to - range.from);

/** What REST is asked for the samples of a range: what ends now says so, whatever the browser takes for now. */
export function samplesOf(range: Range, now: number): { minutes: number } | { start: string; end: string } {
  if ("last" in range) return { minutes: range.last / 60 };
  return { start: isoSeconds(range.from), end: isoSeconds(Math.min(range.to, now)) };
}

/** The same for a summary, which counts in hours. */
export function summaryOf(range: Range, now: number) {
  if (!("last" in range)) return samplesOf(range, now);
  return range.last % 3600 === 0 ? { hours: range.last / 3600 } : { start: `-${range.last}s` };
}

/** Fewer points than pixels: a step that gives at most so many, in whole multiples of the collection interval. */
export function stepFor(range: Range, interval: number, points = 600): number {
  return Math.max(1, Math.ceil(lengthOf(range) / points / interval)) * interval;
}

/** The same length, one length earlier or later, never beyond now. */
export function shift(range: Range, direction: -1 | 1, now: number): Range {
  const { from, to } = bounds(range, now);
  const span = to - from;
  const end = Math.min(to + direction * span, now);
  return { from: end - span, to: end };
}
