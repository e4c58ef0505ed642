import { describe, expect, it } from "vitest";
import { barsOf, briefOf, chosenLevels, filterFor, filtersOf, isCheap, questionOf, toggled } from "./logs";

describe("filters", () => {
  it("are read from the address, and nothing else is", () => {
    const params = new URLSearchParams("level=ERROR&range=1h&field.user=a%26b&text=&cursor=x&request_id=r1");
    expect(filtersOf(params)).toEqual({ level: "ERROR", "field.user": "a&b", request_id: "r1" });
  });

  it("make a question with a range", () => {
    expect(questionOf({ text: "a" }, { last: 900 })).toEqual({ text: "a", start: "-900s" });
    expect(questionOf({}, { from: 0, to: 60 })).toEqual({
      start: "1970-01-01T00:00:00.000Z",
      end: "1970-01-01T00:01:00.000Z",
    });
  });

  it.each([
    ["logger", "api", { logger: "api" }],
    ["status_code", 500, { "field.status_code": "500" }],
    ["message", "x", undefined],
    ["nothing", null, undefined],
  ])("come from a click on %s", (field, value, want) => expect(filterFor(field, value)).toEqual(want));
});

describe("the row of an entry", () => {
  it("says what tells it from others, and not where it was made", () => {
    const entry = {
      _id: "a",
      timestamp: "2026-01-01T00:00:00.000Z",
      level: "ERROR" as const,
      logger: "api",
      message: "Request completed",
      module: "middleware",
      line: 7,
      duration_ms: 625.578607,
      path: "/a",
      status_code: 503,
      user: null,
      error: "x".repeat(500),
    };
    expect(briefOf(entry)).toEqual([
      ["error", "x".repeat(100)],
      ["status_code", "503"],
      ["path", "/a"],
      ["duration_ms", "625.6"],
    ]);
  });
});

describe("levels", () => {
  it("are all unless named", () => {
    expect(chosenLevels(undefined).size).toBe(5);
    expect([...chosenLevels("ERROR,nonsense")]).toEqual(["ERROR"]);
  });

  it("toggle", () => {
    expect(toggled(undefined, "ERROR")).toBe("ERROR");
    expect(toggled("ERROR", "CRITICAL")).toBe("CRITICAL,ERROR");
    expect(toggled("ERROR", "ERROR")).toBeUndefined();
    expect(toggled("CRITICAL,ERROR,WARNING,INFO", "DEBUG")).toBeUndefined();
  });
});

describe("bars", () => {
  const at = (s: number) => new Date(s * 1000).toISOString();
  const histogram = [36, 60, 120].map((s) => ({
    timestamp: at(s),
    by_level: { CRITICAL: 0, ERROR: 1, WARNING: 0, INFO: s, DEBUG: 0 },
  }));

  it("count the chosen levels, from bound to bound, where the bounds are not round either", () => {
    const counts = [{ level: "ERROR", count: 1 }];
    expect(barsOf(histogram, new Set(["ERROR"]), 130)).toEqual([
      { from: 36, to: 60, counts, total: 1 },
      { from: 60, to: 120, counts, total: 1 },
      { from: 120, to: 130, counts, total: 1 },
    ]);
    expect(barsOf(histogram, new Set(["ERROR", "INFO"]), 130).map((b) => b.total)).toEqual([37, 61, 121]);
  });

  it("are counted again with each sample where that costs little", () => {
    expect(isCheap({ level: "ERROR", logger: "api.*" })).toBe(true);
    expect(isCheap({ level: "ERROR", text: "memory" })).toBe(false);
    expect(isCheap({ "field.user": "ann" })).toBe(false);
  });
});
