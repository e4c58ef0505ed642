import { expect, it } from "vitest";
import { ruleOf } from "./rules";

const rule = (name: string, labels: Record<string, string>) => ({ name, labels });
const alert = (name: string, labels: Record<string, string>) => ({ name, metadata: { labels } });

it("finds the rule of an alert among those of its name by their labels", () => {
  const hour = rule("burn", { long: "1h" });
  const day = rule("burn", { long: "1d" });
  const rules = [rule("other", {}), hour, day];
  expect(ruleOf(rules, alert("burn", { long: "1d", pod: "a" }))).toBe(day);
  expect(ruleOf(rules, alert("burn", { long: "1h" }))).toBe(hour);
  expect(ruleOf(rules, alert("burn", {}))).toBe(hour);
  expect(ruleOf(rules, alert("elsewhere", {}))).toBeUndefined();
});
