/** Alerts on the time axis. */
import type { Severity } from "../components/Tags";
import type { Schemas } from "../data/api";
import { words } from "../data/format";

export interface Mark {
  from: number;
  to: number;
  severity: Severity;
  name: string;
  /** The chart shows what the alert watches: its whole time is tinted, others only leave a tick. */
  own: boolean;
}

export function marksOf(alerts: readonly Schemas["Alert"][], rule: string | undefined, now: number): Mark[] {
  return alerts.map((a) => ({
    from: Date.parse(a.fired_at) / 1000,
    to: a.resolved_at ? Date.parse(a.resolved_at) / 1000 : now,
    severity: a.severity,
    name: a.name,
    own: a.name === rule,
  }));
}

/** The alerts of a host, and those of none in particular; without a host, all. */
export const ofHost = (alerts: readonly Schemas["Alert"][], instance: string) =>
  alerts.filter(
    ({ metadata: { labels } }) => instance === "" || (labels["instance"] ?? instance) === instance,
  );

const mostNames = 3;

/** The alerts that fired at a time, in words; "" for none. */
export function firingAt(marks: readonly Mark[], at: number | undefined): string {
  if (at === undefined) return "";
  const names = [...new Set(marks.filter((m) => m.from <= at && at <= m.to).map((m) => words(m.name)))];
  const more = names.length - mostNames;
  return `${names.slice(0, mostNames).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
