import { expect, it } from "vitest";
import { runbookAddress } from "./runbooks";

it.each([
  ["docs/runbooks/high_cpu_usage.md", { view: "/runbooks/high_cpu_usage" }],
  ["https://wiki.example.com/cpu", { url: "https://wiki.example.com/cpu" }],
  ["docs/runbooks/of_others.md", undefined],
  ["docs/runbooks/high_cpu_usage.txt", undefined],
  ["high_cpu_usage.md", undefined],
  ["javascript:alert(1)", undefined],
  ["", undefined],
  [undefined, undefined],
])("the runbook at %s is read at %o", (url, address) => {
  expect(runbookAddress(url, ["high_cpu_usage"])).toEqual(address);
});
