import { describe, expect, it } from "vitest";
import { bounds, parseRange, rangeParams, samplesOf, shift, stepFor, summaryOf } from "./range";

const parse = (text: string) => parseRange(new URLSearchParams(text), "1h");

describe("parseRange", () => {
  it.each([
    ["range=15m", { last: 900 }],
    ["", { last: 3600 }],
    ["range=2y", { last: 3600 }],
    ["range=constructor", { last: 3600 }],
    ["from=2024-01-15T10:00:00Z&to=2024-01-15T11:00:00Z", { from: 1705312800, to: 1705316400 }],
    ["from=2024-01-15T11:00:00Z&to=2024-01-15T10:00:00Z&range=6h", { last: 21600 }],
    ["from=2020-01-15T11:00:00Z&to=2024-01-15T10:00:00Z", { last: 3600 }],
    ["from=yesterday&to=today", { last: 3600 }],
  ])("reads %s", (text, want) => expect(parse(text)).toEqual(want));

  it("gives back what rangeParams wrote", () => {
    for (const range of [{ last: 900 }, { from: 1705312800, to: 1705316400 }]) {
      const params = new URLSearchParams();
      for (const [key, value] of Object.entries(rangeParams(range))) if (value) params.set(key, value);
      expect(parseRange(params, "7d")).toEqual(range);
    }
  });
});

describe("a range", () => {
  it("ends now unless it says otherwise", () => {
    expect(bounds({ last: 60 }, 1000)).toEqual({ from: 940, to: 1000 });
    expect(bounds({ from: 1, to: 2 }, 1000)).toEqual({ from: 1, to: 2 });
  });

  it("is asked for by its length where it ends now, else by its bounds, which never lie ahead", () => {
    expect(samplesOf({ last: 900 }, 1e9)).toEqual({ minutes: 15 });
    const { from, to } = { from: 1705312800, to: 1705316400 };
    const bounds = { start: "2024-01-15T10:00:00Z", end: "2024-01-15T11:00:00Z" };
    expect(samplesOf({ from, to }, 2e9)).toEqual(bounds);
    expect(samplesOf({ from, to: to + 3600 }, to)).toEqual(bounds);
    expect(summaryOf({ from, to }, 2e9)).toEqual(bounds);
    expect(summaryOf({ last: 10_800 }, 2e9)).toEqual({ hours: 3 });
    expect(summaryOf({ last: 900 }, 2e9)).toEqual({ start: "-900s" });
  });

  it("has a step of whole intervals", () => {
    expect(stepFor({ last: 900 }, 30)).toBe(30);
    expect(stepFor({ last: 86_400 }, 30)).toBe(150);
  });

  it("moves by its length and never past now", () => {
    expect(shift({ last: 100 }, -1, 1000)).toEqual({ from: 800, to: 900 });
    expect(shift({ from: 800, to: 900 }, 1, 950)).toEqual({ from: 850, to: 950 });
  });
});
