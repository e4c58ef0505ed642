/** How a measured value stands to the threshold of the rule that watches it. */
import type { Severity } from "../components/Tags";

export interface Limit {
  at: number;
  severity: Severity;
  rule: string;
}

export type Standing = { tone: "ok" | Severity; text: string };

/** Within this share of the limit a value is close to it. */
const close = 0.9;

export function standing(value: number | null, limit: Limit): Standing {
  if (value === null) return { tone: "low", text: "Unknown" };
  if (value > limit.at) return { tone: limit.severity, text: "Above limit" };
  if (value > limit.at * close) return { tone: "medium", text: "Near limit" };
  return { tone: "ok", text: "OK" };
}

/** Those of rules/default.yml. */
export const limits = {
  cpu: { at: 80, severity: "high", rule: "high_cpu_usage" },
  memory: { at: 90, severity: "critical", rule: "critical_memory_usage" },
  disk: { at: 85, severity: "high", rule: "low_disk_space" },
  errors: { at: 10, severity: "high", rule: "high_api_error_rate" },
} as const satisfies Record<string, Limit>;
