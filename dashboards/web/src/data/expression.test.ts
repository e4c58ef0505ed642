import { expect, it } from "vitest";
import { watched } from "./expression";

it.each([
  ["llmwatch:cpu_percent > 80", { expr: "llmwatch:cpu_percent", threshold: 80 }],
  ["sum(increase(x[10m])) >= 5.5", { expr: "sum(increase(x[10m]))", threshold: 5.5 }],
  ["(a / b >= 5) > 10", { expr: "(a / b >= 5)", threshold: 10 }],
  ["a == 0", { expr: "a", threshold: 0 }],
  ["absent(up)", { expr: "absent(up)" }],
  ["(a > 5)", { expr: "(a > 5)" }],
  ["a > b", { expr: "a > b" }],
])("%s watches", (expr, want) => expect(watched(expr)).toEqual(want));
