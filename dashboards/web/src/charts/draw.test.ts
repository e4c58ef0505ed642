import { describe, expect, it, vi } from "vitest";

// Drawing needs a canvas; the arithmetic beside it does not.
vi.mock("uplot", () => ({ default: class {} }));
const { tickLabels, topOf } = await import("./draw");

describe("topOf", () => {
  it.each([
    [50, 100, 80, 100],
    [null, undefined, undefined, 1],
    [10, undefined, undefined, 11.5],
    [10, undefined, 100, 11.5],
    [60, undefined, 100, 115],
    [200, undefined, 100, 230],
  ] as const)("of %s (most %s, threshold %s) is %s", (max, most, threshold, want) =>
    expect(topOf(max, most, threshold)).toBeCloseTo(want),
  );
});

it("names the day where it begins", () => {
  const at = (h: number, m = 0, s = 0) => new Date(2024, 0, 15, h, m, s).getTime() / 1000;
  expect(tickLabels([at(0), at(1, 30)], 5400)).toEqual(["15 Jan", "01:30"]);
  expect(tickLabels([at(1, 2, 5)], 5)).toEqual(["01:02:05"]);
});
