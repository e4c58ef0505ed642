/** Severity and state, each by shape, word and colour. */
import type { Schemas } from "../data/api";

export type Severity = Schemas["Severity"];
export type AlertStatus = Schemas["Alert"]["status"];

const shapes: Record<Severity | "ok" | "plain", string> = {
  critical: "M3.7.5h4.6l3.2 3.2v4.6l-3.2 3.2H3.7L.5 8.3V3.7zM5.2 2.5v4.2h1.6V2.5zM5.2 7.8v1.7h1.6V7.8z",
  high: "M6 1l5.5 10H.5z",
  medium: "M6 .5 11.5 6 6 11.5.5 6z",
  low: "M6 1a5 5 0 1 1 0 10A5 5 0 0 1 6 1z",
  ok: "M1 6.2 2.6 4.6l2.2 2.2L9.6 2 11 3.6 4.8 9.9z",
  plain: "M2 5h8v2H2z",
};

export type Tone = keyof typeof shapes;

export function Shape({ tone }: { tone: Tone }) {
  return (
    <svg viewBox="0 0 12 12" width="11" height="11" aria-hidden="true" focusable="false">
      <path d={shapes[tone]} fill="currentColor" fillRule="evenodd" />
    </svg>
  );
}

export function Tag({ tone, children }: { tone: Tone; children: React.ReactNode }) {
  return (
    <span className={`tag ${tone}`}>
      <Shape tone={tone} />
      {children}
    </span>
  );
}

const severities: Record<Severity, string> = {
  critical: "Critical",
  high: "High",
  medium: "Medium",
  low: "Low",
};

export const SeverityTag = ({ severity }: { severity: Severity }) => (
  <Tag tone={severity}>{severities[severity]}</Tag>
);

const statuses: Record<AlertStatus, string> = {
  triggered: "Firing, nobody told yet",
  active: "Firing",
  acknowledged: "Acknowledged",
  resolved: "Resolved",
};

export const statusWords = (status: AlertStatus) => statuses[status];

export const severityOrder: readonly Severity[] = ["critical", "high", "medium", "low"];
