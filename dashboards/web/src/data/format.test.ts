import { describe, expect, it } from "vitest";
import { ago, counted, duration, moment, precise, show, words } from "./format";

describe("show", () => {
  it.each([
    [45.23, "percent", "45.2 %"],
    [0, "percent", "0.0 %"],
    [145.7, "ms", "146 ms"],
    [2340.1, "ms", "2.34 s"],
    [0.15, "seconds", "150 ms"],
    [1536, "bytes", "1.5 KiB"],
    [1048576, "bytes/s", "1 MiB/s"],
    [15420, "count", "15,420"],
    [1234567, "count", "1.23 M"],
    [0.0123, "usd", "$0.0123"],
    [12, "usd", "$12.00"],
    [3.456, "per second", "3.46/s"],
  ] as const)("%s as %s is %s", (x, unit, want) => expect(show(x, unit)).toBe(want));

  it("writes numbers as Intl does", () => {
    const sizes = [0, 0.00006, 0.5, 1, 12.5, 99.96, 100.25, 1234.5, 99_999.25, 1e6, 123_456_789.125, 1e15];
    for (const x of sizes.flatMap((n) => [n, 0 - n])) {
      const english = (least: number, most: number) =>
        x.toLocaleString("en-US", { minimumFractionDigits: least, maximumFractionDigits: most });
      expect(show(x, "number")).toBe(english(0, 4));
      expect(show(x, "usd")).toBe(`$${english(2, x !== 0 && Math.abs(x) < 1 ? 4 : 2)}`);
    }
  });

  it("shows what is no number as a dash", () => {
    for (const x of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) expect(show(x, "ms")).toBe("–");
  });
});

describe("times", () => {
  it.each([
    [0, "0 s"],
    [59.6, "1 min"],
    [3599, "59 min"],
    [3600, "1 h"],
    [5400, "1 h 30 min"],
    [86_400, "1 d"],
    [90_000, "1 d 1 h"],
  ])("%s s lasts %s", (s, want) => expect(duration(s)).toBe(want));

  it("names the year only where it is another one", () => {
    const d = new Date(2024, 0, 5, 9, 3, 2);
    expect(moment(d, new Date(2024, 5, 1).getTime())).toBe("5 Jan 09:03:02");
    expect(moment(d, new Date(2025, 5, 1).getTime())).toBe("5 Jan 2024 09:03:02");
  });

  it("names the day of what is not of today, and otherwise the milliseconds", () => {
    const at = new Date(2024, 0, 5, 9, 3, 2, 70);
    const later = (hours: number) => at.getTime() + hours * 3_600_000;
    expect(precise(at.toISOString(), later(1))).toEqual({ time: "09:03:02", ms: ".070" });
    expect(precise(at.toISOString(), later(24))).toEqual({ time: "5 Jan 09:03:02", ms: "" });
  });

  it("says how long ago", () => {
    expect(ago(1000, 2000)).toBe("just now");
    expect(ago(0, 125_000)).toBe("2 min ago");
  });
});

it("makes words of names", () => {
  expect(words("high_cpu_usage")).toBe("High cpu usage");
  expect(counted(1, "alert")).toBe("1 alert");
  expect(counted(2, "query", "queries")).toBe("2 queries");
});
