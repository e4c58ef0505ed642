import { useQuery } from "@tanstack/react-query";
import { ChartPanel } from "../charts/ChartPanel";
import { panels } from "../charts/panels";
import { Icon } from "../components/Icon";
import { Panel } from "../components/Panel";
import { RangeTools } from "../components/RangeTools";
import { Ready } from "../components/Ready";
import { View } from "../components/Shell";
import { useAddress, useRange } from "../data/address";
import { type PromSeries, query } from "../data/api";
import {
  type Endpoint,
  endpointsOfSamples,
  endpointsOfSeries,
  isSought,
  type SortKey,
  sorted,
  withPercentiles,
} from "../data/endpoints";
import { counted, show } from "../data/format";
import { useApi, usePromServed, useRefetch } from "../data/queries";
import { bounds, lengthOf, type Range } from "../data/range";

export default function Requests() {
  return (
    <View title="API" tools={<RangeTools kind="api" />}>
      <div className="grid three">
        {panels.api.map((panel) => (
          <ChartPanel key={panel.id} panel={panel} />
        ))}
      </div>
      <Endpoints />
    </View>
  );
}

/** Each endpoint's requests: counted exactly by PromQL over any range, else from REST's samples. */
function useEndpoints(range: Range) {
  const engine = usePromServed();
  const { served } = engine;
  const refetchInterval = useRefetch();
  const prom = useQuery({
    queryKey: ["metrics", "endpoints", range],
    queryFn: async ({ signal }) => {
      const { from, to } = bounds(range, Date.now() / 1000);
      const grown = (series: string) =>
        query(
          "query",
          {
            query: `sum by (http_route, http_request_method, http_response_status_code) (increase(${series}[${Math.round(to - from)}s] anchored))`,
            time: String(to),
          },
          signal,
        );
      const [counts, failed, sums] = await Promise.all([
        grown("http_server_request_duration_seconds_count"),
        grown("http_server_failed_requests_total"),
        grown("http_server_request_duration_seconds_sum"),
      ]);
      return endpointsOfSeries(counts, failed, sums);
    },
    refetchInterval,
    enabled: served === true,
  });
  const rest = useApi(range, served === false);
  if (served === undefined) return { ...engine, data: undefined };
  if (served) return { data: prom.data, error: prom.error, refetch: prom.refetch as () => unknown };
  const data = rest.data && endpointsOfSamples(rest.data.data, bounds(range, rest.dataUpdatedAt / 1000));
  return { data, error: rest.error, refetch: rest.refetch as () => unknown };
}

const unknown: PromSeries[] = [];

/** A longer range has too many samples of too many buckets for a question that is asked again and again. */
const percentilesUpTo = 86_400;

/** The 95th percentile of each endpoint, where it can be had. */
function usePercentiles(range: Range): readonly PromSeries[] {
  const { served } = usePromServed();
  const { data } = useQuery({
    queryKey: ["metrics", "endpoint-percentiles", range],
    queryFn: ({ signal }) => {
      const { from, to } = bounds(range, Date.now() / 1000);
      const grown = `rate(http_server_request_duration_seconds_bucket[${Math.round(to - from)}s])`;
      const expr = `histogram_quantile(0.95, sum by (http_route, http_request_method, le) (${grown}))`;
      return query("query", { query: expr, time: String(to) }, signal);
    },
    refetchInterval: useRefetch(),
    enabled: served === true && lengthOf(range) <= percentilesUpTo,
  });
  return data ?? unknown;
}

const columns: { key: SortKey; name: string }[] = [
  { key: "endpoint", name: "Endpoint" },
  { key: "requests", name: "Requests" },
  { key: "errors", name: "Errors" },
  { key: "errorPercent", name: "Error rate" },
  { key: "meanMs", name: "Mean" },
  { key: "p95Ms", name: "p95" },
];

/** On a phone there is no room for the last columns. */
const classOf = (key: SortKey) =>
  `sortable${key === "endpoint" ? "" : " number"}${key === "p95Ms" ? " wide" : ""}`;

const isSortKey = (text: string | null): text is SortKey => columns.some((c) => c.key === text);

function Endpoints() {
  const [range] = useRange();
  const [params, change] = useAddress();
  const asked = useEndpoints(range);
  const percentiles = usePercentiles(range);
  const wanted = params.get("sort");
  const key = isSortKey(wanted) ? wanted : "requests";
  const reversed = params.get("order") === "reversed";
  const filter = params.get("endpoint") ?? "";
  const chosen = (rows: Endpoint[]) =>
    sorted(withPercentiles(rows, percentiles), key, reversed).filter((r) => isSought(r, filter));
  return (
    <Panel
      title="Endpoints"
      more={
        <label className="field inline">
          <span className="hidden">Filter endpoints</span>
          <input
            type="search"
            placeholder="Filter"
            value={filter}
            onChange={(e) => change({ endpoint: e.target.value }, { replace: true })}
          />
        </label>
      }
    >
      <Ready of={asked} what="endpoints" empty={(rows) => rows.length === 0 && "No requests in this range."}>
        {(rows) => (
          <Table
            rows={chosen(rows)}
            all={rows.length}
            by={{ key, reversed }}
            onSort={(next) =>
              change({
                sort: next === "requests" ? undefined : next,
                order: next === key && !reversed ? "reversed" : undefined,
              })
            }
          />
        )}
      </Ready>
    </Panel>
  );
}

interface TableProps {
  rows: Endpoint[];
  all: number;
  by: { key: SortKey; reversed: boolean };
  onSort: (key: SortKey) => void;
}

function Table({ rows, all, by, onSort }: TableProps) {
  const order = (key: SortKey) => {
    if (key !== by.key) return undefined;
    return (key === "endpoint") !== by.reversed ? "ascending" : "descending";
  };
  return (
    <>
      <table className="endpoints">
        <thead>
          <tr>
            {columns.map(({ key, name }) => (
              <th scope="col" key={key} className={classOf(key)} aria-sort={order(key)}>
                <button type="button" onClick={() => onSort(key)}>
                  {name}
                  {order(key) && <Icon name={order(key) === "ascending" ? "up" : "down"} />}
                </button>
              </th>
            ))}
            <th scope="col" className="wide">
              Statuses
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((r) => (
            <tr key={`${r.method} ${r.endpoint}`}>
              <th scope="row" className="break">
                <code>
                  <b>{r.method}</b> {r.endpoint}
                </code>
              </th>
              <td className="number">{show(r.requests, "count")}</td>
              <td className="number">{show(r.errors, "count")}</td>
              <td className="number">{show(r.errorPercent, "percent")}</td>
              <td className="number">{show(r.meanMs, "ms")}</td>
              <td className="number wide">{show(r.p95Ms, "ms")}</td>
              <td className="wide soft">
                {Object.entries(r.statuses)
                  .map(([status, n]) => `${status} × ${show(n, "count")}`)
                  .join(", ")}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length < all && (
        <p className="faint">
          {counted(rows.length, "endpoint")} of {all}.
        </p>
      )}
    </>
  );
}
