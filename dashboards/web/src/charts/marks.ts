/** Alerts on the time axis. */
import type { Severity } from "../components/Tags";
import type { Schemas } from "../data/api";

export interface Mark {
  from: number;
  to: number;
  severity: Severity;
  /** The chart shows what the alert watches: its whole time is tinted, others only leave a tick. */
  own: boolean;
}

export function marksOf(alerts: readonly Schemas["Alert"][], rule: string | undefined, now: number): Mark[] {
  return alerts.map((a) => ({
    from: Date.parse(a.fired_at) / 1000,
    to: a.resolved_at ? Date.parse(a.resolved_at) / 1000 : now,
    severity: a.severity,
    own: a.name === rule,
  }));
}

/** The alerts of a host, and those of none in particular; without a host, all. */
export const ofHost = (alerts: readonly Schemas["Alert"][], instance: string) =>
  alerts.filter(
    ({ metadata: { labels } }) => instance === "" || (labels["instance"] ?? instance) === instance,
  );
