import { describe, expect, it } from "vitest";
import {
  endpointsOfSamples,
  endpointsOfSeries,
  intervalsOf,
  isSought,
  sorted,
  withPercentiles,
} from "./endpoints";

const sample = (
  s: number,
  endpoint: string,
  status: number,
  n: number,
  ms = 100,
  errors = status >= 500 ? n : 0,
) => ({
  timestamp: new Date(s * 1000).toISOString(),
  endpoint,
  method: "POST",
  status_code: status,
  response_time_ms: ms,
  request_size_bytes: 0,
  response_size_bytes: 0,
  request_count: n,
  error_count: errors,
});
const always = { from: 0, to: 1e9 };

describe("endpoints", () => {
  it("weigh the mean by requests", () => {
    const [row] = endpointsOfSamples([sample(30, "/a", 200, 3, 100), sample(30, "/a", 500, 1, 500)], always);
    expect(row).toEqual({
      endpoint: "/a",
      method: "POST",
      requests: 4,
      errors: 1,
      errorPercent: 25,
      meanMs: 200,
      statuses: { 200: 3, 500: 1 },
    });
  });

  it("are the same from PromQL", () => {
    const series = (status: string, value: string) => ({
      metric: { http_route: "/a", http_request_method: "POST", http_response_status_code: status },
      value: [60, value] as [number, string],
    });
    const rows = endpointsOfSeries(
      [series("200", "3"), series("500", "1")],
      [series("200", "1"), series("500", "1")],
      [series("200", "0.3"), series("500", "0.5")],
    );
    expect(rows).toEqual([
      {
        endpoint: "/a",
        method: "POST",
        requests: 4,
        errors: 2,
        errorPercent: 50,
        meanMs: 200,
        statuses: { 200: 3, 500: 1 },
      },
    ]);
  });

  it("sort by name upwards and by numbers downwards", () => {
    const rows = endpointsOfSamples(
      [sample(30, "/b", 200, 1), sample(30, "/a", 200, 5), sample(30, "/c", 200, 3)],
      always,
    );
    const names = (list: typeof rows) => list.map((r) => r.endpoint).join("");
    expect(names(sorted(rows, "endpoint", false))).toBe("/a/b/c");
    expect(names(sorted(rows, "requests", false))).toBe("/a/c/b");
    expect(names(sorted(rows, "requests", true))).toBe("/b/c/a");
  });
});

describe("an endpoint", () => {
  const [row] = endpointsOfSamples([sample(30, "/v1/jobs/{id}", 200, 1)], always);
  it.each([
    ["", true],
    ["POST /v1", true],
    ["JOBS/{", true],
    ["/v1/jobs/ft-126425", true],
    ["/v1/jobs/{id}/", false],
    ["/v1/jobs/ft-1/log", false],
    ["/v2/jobs/ft-1", false],
  ])("is sought by %j: %s", (text, want) => expect(row && isSought(row, text)).toBe(want));

  it("has a percentile where there is one, and comes last by it where not", () => {
    const rows = endpointsOfSamples([sample(30, "/a", 200, 1), sample(30, "/b", 200, 1)], always);
    const of = (route: string, value: string) => ({
      metric: { http_route: route, http_request_method: "POST" },
      value: [60, value] as [number, string],
    });
    const both = withPercentiles(rows, [of("/a", "NaN"), of("/b", "0.25"), of("/c", "1")]);
    expect(both.map((r) => r.p95Ms)).toEqual([undefined, 250]);
    expect(sorted(both, "p95Ms", false).map((r) => r.endpoint)).toEqual(["/b", "/a"]);
  });
});

describe("intervals", () => {
  it("without requests count as none", () => {
    const rows = intervalsOf([sample(30, "/a", 200, 30), sample(90, "/a", 503, 60)], 30, {
      from: 0,
      to: 100,
    });
    expect(rows.map((r) => [r.perSecond, r.server, r.errorPercent])).toEqual([
      [1, 0, 0],
      [0, 0, null],
      [2, 2, 100],
    ]);
  });

  it("of nothing are none", () => expect(intervalsOf([], 30, always)).toEqual([]));
});
