import { describe, expect, it } from "vitest";
import { barsOf, chosenLevels, filterFor, filtersOf, questionOf, toggled } from "./logs";

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
  const histogram = [0, 60, 120].map((s) => ({
    timestamp: at(s),
    by_level: { CRITICAL: 0, ERROR: 1, WARNING: 0, INFO: s, DEBUG: 0 },
  }));

  it("lie within the range and count the chosen levels", () => {
    expect(barsOf(histogram, new Set(["ERROR"]), { from: 70, to: 130 })).toEqual([
      { from: 60, to: 120, counts: [{ level: "ERROR", count: 1 }], total: 1 },
      { from: 120, to: 180, counts: [{ level: "ERROR", count: 1 }], total: 1 },
    ]);
  });
});
