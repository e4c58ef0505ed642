import type { Schemas } from "./api";

type Origin = Schemas["Alert"]["origin"];

/** What the events of an alert's timeline mean. */
const meanings: Record<string, string> = {
  pending_since: "The condition began to hold",
  fired: "Fired",
  flapped: "Fired again inside its cooldown",
  queued: "A notification became due",
  held_by_cooldown: "Held back by the cooldown",
  held_by_rate_limit: "Held back by the rate limit",
  withdrawn: "A held notification was no longer due",
  digested: "Told in a digest",
  delivered: "Notification delivered",
  attempt_failed: "An attempt to notify failed and will be repeated",
  refused: "The notification was refused",
  expired: "The notification could not be delivered in time",
  acknowledged: "Acknowledged",
  acknowledgement_expired: "The acknowledgement ended",
  escalated: "Escalated",
  resolved: "Resolved",
  stale: "Nobody tells of it any more",
  closed: "Closed",
  end_said: "A sender said that it ended",
  taken_over: "Given by a rule",
  rule_changed: "Its rule was changed",
  unjudged: "It cannot be told whether it still fires",
  judged: "It was seen to fire again",
};

export const meaning = (kind: string) => meanings[kind] ?? kind.replaceAll("_", " ");

const bad = new Set(["attempt_failed", "refused", "expired", "escalated"]);

export function toneOf(kind: string): "ok" | "high" | "critical" | "plain" {
  if (kind === "fired" || kind === "flapped") return "critical";
  if (kind === "resolved" || kind === "delivered" || kind === "acknowledged") return "ok";
  return bad.has(kind) ? "high" : "plain";
}

/** Who tells of an alert, in words. */
export function originWords({ kind, source, principal }: Origin): string {
  if (kind === "rule") return source && source !== "embedded" ? `a rule of ${source}` : "a rule";
  return `pushed${principal ? ` by ${principal}` : ""}${source ? ` (${source})` : ""}`;
}

/** What leads to the runbook. Whoever pushed an alert chose the address, so that its host is shown. */
export function runbookWords(origin: Origin, url: string | undefined): string {
  if (origin.kind === "rule" || !url || !URL.canParse(url)) return "Runbook";
  return `Runbook at ${new URL(url).host}`;
}
