/** What is asked of the log store, as it stands in the address and in questions. */
import type { Query, Schemas } from "./api";
import type { Range } from "./range";

export type Entry = Schemas["LogEntry"];
export type Level = Schemas["LogLevel"];

/** The worst first. */
export const levels = ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"] as const satisfies readonly Level[];

/** The parameters that choose entries, beside any field.NAME. */
const choosers = ["level", "logger", "text", "pattern", "request_id"] as const;

/** The filters of an address. */
export function filtersOf(params: URLSearchParams): Record<string, string> {
  const filters: Record<string, string> = {};
  for (const [key, value] of params) {
    if (value !== "" && ((choosers as readonly string[]).includes(key) || key.startsWith("field.")))
      filters[key] = value;
  }
  return filters;
}

const iso = (seconds: number) => new Date(seconds * 1000).toISOString();

/** Filters and range as a question; a range that ends now follows the server's clock. */
export function questionOf(filters: Record<string, string>, range: Range): Query {
  const time =
    "last" in range ? { start: `-${range.last}s` } : { start: iso(range.from), end: iso(range.to) };
  return { ...filters, ...time };
}

/** What a click on a value of an entry filters by; undefined where there is no filter for it. */
export function filterFor(field: string, value: unknown): Record<string, string> | undefined {
  if (value === null || typeof value === "object") return undefined;
  const text = String(value);
  if (field === "level" || field === "logger" || field === "request_id") return { [field]: text };
  if (field === "message" || field === "timestamp" || field === "_id") return undefined;
  return { [`field.${field}`]: text };
}

/** The levels of an address as a set; all where none is named. */
export function chosenLevels(level: string | undefined): Set<Level> {
  const named = (level ?? "").split(",").filter((l): l is Level => (levels as readonly string[]).includes(l));
  return new Set(named.length > 0 ? named : levels);
}

/** Adds a level to the chosen ones or takes it away; all of them is no filter. */
export function toggled(level: string | undefined, one: Level): string | undefined {
  const chosen = level ? chosenLevels(level) : new Set<Level>();
  if (chosen.has(one)) chosen.delete(one);
  else chosen.add(one);
  if (chosen.size === 0 || chosen.size === levels.length) return undefined;
  return levels.filter((l) => chosen.has(l)).join(",");
}

/** The fields that the row of an entry shows already. */
const inRow = new Set(["timestamp", "level", "logger", "message"]);

/** The fields of an entry that its row does not show, in their order. */
export const furtherFields = (entry: Entry): [string, unknown][] =>
  Object.entries(entry).filter(([name]) => !inRow.has(name) && name !== "_id");

/** Where in the program an entry was made: said when it is opened. */
const origin = new Set(["module", "function", "line", "thread", "process"]);

/** What is read first where an entry has it. */
const leading = ["error", "status_code", "method", "path", "duration_ms"];

const briefFields = 6;
const briefValue = 100;

const rank = (name: string) => (leading.includes(name) ? leading.indexOf(name) : leading.length);

/** What tells an entry from others with the same message, short enough for its row. */
export const briefOf = (entry: Entry): [string, string][] =>
  furtherFields(entry)
    .filter(([name, value]) => !origin.has(name) && value !== null && value !== "")
    .sort(([a], [b]) => rank(a) - rank(b))
    .slice(0, briefFields)
    .map(([name, value]) => [name, textOf(rounded(value)).slice(0, briefValue)]);

const rounded = (value: unknown) =>
  typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;

export const textOf = (value: unknown): string =>
  typeof value === "object" ? JSON.stringify(value) : String(value);

export interface Bar {
  from: number;
  to: number;
  counts: { level: Level; count: number }[];
  total: number;
}

/** The histogram as bars of the chosen levels; each ends where the next begins. */
export function barsOf(
  histogram: Schemas["LogStatistics"]["histogram"],
  chosen: ReadonlySet<Level>,
  end: number,
): Bar[] {
  const times = histogram.map((h) => Date.parse(h.timestamp) / 1000);
  return histogram.map((h, i) => {
    const counts = levels
      .filter((level) => chosen.has(level))
      .map((level) => ({ level, count: h.by_level[level] ?? 0 }))
      .filter(({ count }) => count > 0);
    return {
      from: times[i] ?? end,
      to: times[i + 1] ?? end,
      counts,
      total: counts.reduce((n, c) => n + c.count, 0),
    };
  });
}

/** Filters that the store answers from counts that it keeps; every other one reads the entries. */
const counted = new Set(["level", "logger"]);

export const isCheap = (filters: Record<string, string>) => Object.keys(filters).every((f) => counted.has(f));
