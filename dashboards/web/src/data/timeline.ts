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
