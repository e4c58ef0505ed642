import { describe, expect, it } from "vitest";
import { fromMatrices, fromRows, perSecond, statsOf, trendOf, typicalStep, withGaps } from "./columns";

const at = (s: number) => new Date(s * 1000).toISOString();

describe("fromRows", () => {
  it("reads what lies within the bounds", () => {
    const rows = [10, 20, 30, 40].map((s) => ({ timestamp: at(s), v: s * 2 }));
    expect(fromRows(rows, [(r) => r.v], { from: 20, to: 30 })).toEqual({
      times: [20, 30],
      values: [[40, 60]],
    });
  });

  it("keeps what is not known empty", () => {
    const rows = [{ timestamp: at(1), v: null as number | null }];
    expect(fromRows(rows, [(r) => r.v], { from: 0, to: 2 }).values).toEqual([[null]]);
  });
});

describe("withGaps", () => {
  it("interrupts a line where samples are missing", () => {
    expect(withGaps({ times: [0, 30, 60, 300, 330], values: [[1, 2, 3, 4, 5]] })).toEqual({
      times: [0, 30, 60, 90, 300, 330],
      values: [[1, 2, 3, null, 4, 5]],
    });
  });

  it("leaves a late sample alone", () => {
    const columns = { times: [0, 30, 65, 90], values: [[1, 2, 3, 4]] };
    expect(withGaps(columns)).toEqual(columns);
  });
});

describe("perSecond", () => {
  it("tells growth, and survives a restart", () => {
    expect(perSecond({ times: [0, 10, 20, 30], values: [[100, 200, 50, null]] })).toEqual({
      times: [10, 20, 30],
      values: [[10, 5, null]],
    });
  });
});

describe("fromMatrices", () => {
  it("brings series with different steps into the same rows", () => {
    const a = {
      metric: {},
      values: [
        [10, "1"],
        [20, "NaN"],
      ] as [number, string][],
    };
    const b = {
      metric: {},
      values: [
        [20, "5"],
        [30, "6"],
      ] as [number, string][],
    };
    expect(fromMatrices([a, b], 10)).toEqual({
      times: [10, 20, 30],
      values: [
        [1, null, null],
        [null, 5, 6],
      ],
    });
  });

  it("takes an answer without series", () => {
    expect(fromMatrices([], 10)).toEqual({ times: [], values: [] });
  });
});

it("sums up a column", () => {
  expect(statsOf([null, 2, 4, null])).toEqual({ last: 4, mean: 3, least: 2, most: 4 });
  expect(statsOf([null])).toEqual({ last: null, mean: null, least: null, most: null });
  expect(typicalStep([0, 30, 61, 90, 400])).toBe(31);
});

describe("trendOf", () => {
  it.each([
    [[10, 12, 14, 16], 5, "increasing"],
    [[16, 14, null, 10], 5, "decreasing"],
    [[10, 90, 10, 90, 10], 5, "stable"],
    [[10, 11], 5, "stable"],
    [[], 5, "stable"],
  ] as const)("of %j is told", (values, least, want) => expect(trendOf(values, least)).toBe(want));
});
