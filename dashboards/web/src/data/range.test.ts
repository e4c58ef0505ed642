import { describe, expect, it } from "vitest";
import { bounds, minutesBack, parseRange, rangeParams, shift, stepFor } from "./range";

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

  it("is covered by whole minutes, up to 30 days", () => {
    expect(minutesBack({ last: 900 }, 0)).toBe(15);
    expect(minutesBack({ from: 1000, to: 1010 }, 1090)).toBe(2);
    expect(minutesBack({ from: 0, to: 10 }, 1e9)).toBe(43200);
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
