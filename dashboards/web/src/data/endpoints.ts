/** What the API samples say of each endpoint, and of all of them in each interval. */
import type { ApiRow } from "../charts/panels";
import type { PromSeries, Schemas } from "./api";
import { seconds } from "./columns";

type Sample = Schemas["APISample"];

export interface Endpoint {
  endpoint: string;
  method: string;
  requests: number;
  errors: number;
  errorPercent: number;
  meanMs: number;
  /** Undefined where it is not known. */
  p95Ms?: number;
  statuses: Record<string, number>;
}

interface Sums {
  requests: number;
  errors: number;
  ms: number;
  statuses: Record<string, number>;
}

function finish(endpoint: string, method: string, s: Sums): Endpoint {
  return {
    endpoint,
    method,
    requests: s.requests,
    errors: s.errors,
    errorPercent: s.requests > 0 ? (100 * s.errors) / s.requests : 0,
    meanMs: s.requests > 0 ? s.ms / s.requests : 0,
    statuses: s.statuses,
  };
}

/** Adds up by endpoint and method. */
class Table {
  private rows = new Map<string, Sums & { endpoint: string; method: string }>();

  add(endpoint: string, method: string, status: string, requests: number, errors: number, ms: number) {
    const key = `${method} ${endpoint}`;
    let row = this.rows.get(key);
    if (!row) {
      row = { endpoint, method, requests: 0, errors: 0, ms: 0, statuses: {} };
      this.rows.set(key, row);
    }
    row.requests += requests;
    row.errors += errors;
    row.ms += ms;
    if (requests > 0) row.statuses[status] = (row.statuses[status] ?? 0) + requests;
  }

  done(): Endpoint[] {
    return [...this.rows.values()].filter((r) => r.requests > 0).map((r) => finish(r.endpoint, r.method, r));
  }
}

export function endpointsOfSamples(
  samples: readonly Sample[],
  within: { from: number; to: number },
): Endpoint[] {
  const table = new Table();
  for (const s of samples) {
    const at = seconds(s.timestamp);
    if (at < within.from || at > within.to) continue;
    table.add(
      s.endpoint,
      s.method,
      String(s.status_code),
      s.request_count,
      s.error_count,
      s.response_time_ms * s.request_count,
    );
  }
  return table.done();
}

/** The same of three PromQL answers that are grouped by endpoint, method and status. */
export function endpointsOfSeries(
  counts: readonly PromSeries[],
  failed: readonly PromSeries[],
  sums: readonly PromSeries[],
): Endpoint[] {
  const table = new Table();
  const add = (series: readonly PromSeries[], put: (m: string[], value: number) => void) => {
    for (const { metric, value } of series) {
      const labels = ["http_route", "http_request_method", "http_response_status_code"].map(
        (l) => metric[l] ?? "",
      );
      const number = Number(value?.[1]);
      if (Number.isFinite(number)) put(labels, number);
    }
  };
  const isFault = (status: string) => Number(status) >= 500;
  add(counts, ([route = "", method = "", status = ""], n) => {
    const whole = Math.round(n);
    table.add(route, method, status, whole, isFault(status) ? whole : 0, 0);
  });
  add(failed, ([route = "", method = "", status = ""], n) => {
    if (!isFault(status)) table.add(route, method, status, 0, Math.round(n), 0);
  });
  add(sums, ([route = "", method = "", status = ""], n) => table.add(route, method, status, 0, 0, 1000 * n));
  return table.done();
}

/** Puts the percentiles of a PromQL answer, which is grouped by endpoint and method, into the rows. */
export function withPercentiles(rows: readonly Endpoint[], seconds: readonly PromSeries[]): Endpoint[] {
  const known = new Map(
    seconds.map(({ metric, value }) => [
      `${metric["http_request_method"]} ${metric["http_route"]}`,
      1000 * Number(value?.[1]),
    ]),
  );
  return rows.map((row) => {
    const p95Ms = known.get(`${row.method} ${row.endpoint}`);
    return p95Ms !== undefined && Number.isFinite(p95Ms) ? { ...row, p95Ms } : row;
  });
}

/** One row an interval; an interval without requests has had none, which is not the same as unknown. */
export function intervalsOf(
  samples: readonly Sample[],
  interval: number,
  within: { from: number; to: number },
): ApiRow[] {
  const by = new Map<number, Sample[]>();
  for (const s of samples) {
    const at = seconds(s.timestamp);
    const list = by.get(at);
    if (list) list.push(s);
    else by.set(at, [s]);
  }
  const first = Math.min(...by.keys());
  if (!Number.isFinite(first)) return [];
  const rows: ApiRow[] = [];
  for (let at = first; at <= within.to; at += interval) {
    rows.push(intervalRow(at, by.get(at) ?? [], interval));
  }
  return rows;
}

function intervalRow(at: number, samples: readonly Sample[], interval: number): ApiRow {
  const count = (from: number, below: number) =>
    samples.reduce((n, s) => (s.status_code >= from && s.status_code < below ? n + s.request_count : n), 0);
  const all = count(0, Number.POSITIVE_INFINITY);
  const server = count(500, Number.POSITIVE_INFINITY);
  return {
    timestamp: new Date(at * 1000).toISOString(),
    perSecond: all / interval,
    ok: count(0, 400) / interval,
    client: count(400, 500) / interval,
    server: server / interval,
    errorPercent: all > 0 ? (100 * server) / all : null,
    meanMs: all > 0 ? samples.reduce((ms, s) => ms + s.response_time_ms * s.request_count, 0) / all : null,
  };
}

/**
 * Whether an endpoint is looked for: by a part of its method and route, or by the path of a request to it, which has
 * values where the route has {names}.
 */
export function isSought({ method, endpoint }: Endpoint, text: string): boolean {
  const sought = text.trim().toLowerCase();
  if (`${method} ${endpoint}`.toLowerCase().includes(sought)) return true;
  const route = endpoint.toLowerCase().split("/");
  const path = sought.split("/");
  return (
    route.length === path.length &&
    route.every((part, i) => part === path[i] || (/^\{.*\}$/.test(part) && path[i] !== ""))
  );
}

export type SortKey = "endpoint" | "requests" | "errors" | "errorPercent" | "meanMs" | "p95Ms";

/** Names ascend, numbers descend, unless turned round. */
export function sorted(rows: readonly Endpoint[], key: SortKey, reversed: boolean): Endpoint[] {
  const compare = (a: Endpoint, b: Endpoint) =>
    key === "endpoint"
      ? `${a.endpoint} ${a.method}`.localeCompare(`${b.endpoint} ${b.method}`)
      : (b[key] ?? -1) - (a[key] ?? -1);
  return [...rows].sort((a, b) => (reversed ? compare(b, a) : compare(a, b)));
}
