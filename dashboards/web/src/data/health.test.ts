import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { panels } from "../charts/panels";
import { limits, standing } from "./health";

describe("standing", () => {
  it.each([
    [10, "ok"],
    [73, "medium"],
    [80, "medium"],
    [80.1, "high"],
    [null, "low"],
  ] as const)("of %s is %s", (value, tone) => expect(standing(value, limits.cpu).tone).toBe(tone));
});

describe("thresholds", () => {
  const rules = readFileSync("../../rules/default.yml", "utf8");
  const rule = (name: string) => {
    const text = rules.split(`- alert: ${name}\n`)[1] ?? "";
    return {
      threshold: Number(/threshold: "([\d.]+)"/.exec(text)?.[1]),
      severity: /severity: (\w+)/.exec(text)?.[1],
    };
  };

  it.each(Object.values(limits))("of $rule are the rule's", (limit) => {
    expect({ threshold: limit.at, severity: limit.severity }).toEqual(rule(limit.rule));
  });

  const drawn = Object.values(panels)
    .flat()
    .flatMap((p) => (p.threshold ? [{ ...p.threshold, unit: p.unit }] : []));
  it.each(drawn)("drawn for $rule are the rule's", ({ at, rule: name, unit }) => {
    expect(unit === "ms" ? at / 1000 : at).toBe(rule(name).threshold);
  });
});
