import { expect, test } from "vitest";
import { originWords, runbookWords } from "./timeline";

test("an alert says who tells of it", () => {
  expect(originWords({ kind: "rule", source: "embedded" })).toBe("a rule");
  expect(originWords({ kind: "rule", source: "http://p:9090" })).toBe("a rule of http://p:9090");
  expect(originWords({ kind: "push", source: "api_v2", principal: "ci" })).toBe("pushed by ci (api_v2)");
  expect(originWords({ kind: "push" })).toBe("pushed");
});

test("a runbook that a push names is shown with its host", () => {
  expect(runbookWords({ kind: "rule" }, "https://runbooks.example.com/a")).toBe("Runbook");
  expect(runbookWords({ kind: "push" }, "https://evil.example/login")).toBe("Runbook at evil.example");
  expect(runbookWords({ kind: "push" }, "docs/runbooks/a.md")).toBe("Runbook");
});
