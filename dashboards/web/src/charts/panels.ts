/**
 * What each chart shows. A series reads REST rows, a PromQL expression, or either: `$w` is the width of a step, `$s`
 * its seconds, `$r` a range wide enough for rate(), `$host` selects the chosen host. The thresholds are those of the
 * default rules.
 */
import type { Schemas } from "../data/api";
import type { Reader } from "../data/columns";
import type { Unit } from "../data/format";

export type Source = "system" | "app" | "api";

export interface Row {
  system: Schemas["SystemSample"];
  app: Schemas["AppSample"];
  api: ApiRow;
}

/** All endpoints in one interval. */
export interface ApiRow {
  timestamp: string;
  perSecond: number;
  errorPercent: number | null;
  meanMs: number | null;
  ok: number;
  client: number;
  server: number;
}

export interface SeriesOf<S extends Source> {
  label: string;
  rest?: Reader<Row[S]>;
  prom: string;
  /** One of the chart colours, 1 to 6. */
  colour: number;
  dash?: boolean;
}

export interface PanelOf<S extends Source> {
  id: string;
  title: string;
  source: S;
  unit: Unit;
  series: SeriesOf<S>[];
  /** REST gives running totals, of which the chart shows the growth. */
  totals?: boolean;
  most?: number;
  threshold?: { at: number; rule: string };
  help: string;
}

export type Panel = { [S in Source]: PanelOf<S> }[Source];

const grew = (series: string) => `sum(increase(${series}[$w] anchored))`;
const requests = "http_server_request_duration_seconds";
const quantile = (q: number, name: string) =>
  `1000 * histogram_quantile(${q}, sum by (le) (rate(${name}_bucket[$r])))`;

const system: PanelOf<"system">[] = [
  {
    id: "cpu",
    title: "CPU",
    source: "system",
    unit: "percent",
    most: 100,
    threshold: { at: 80, rule: "high_cpu_usage" },
    help: "Busy time of all processors.",
    series: [
      {
        label: "CPU",
        colour: 1,
        rest: (r) => r.cpu_percent,
        prom: "avg(avg_over_time(llmwatch:cpu_percent$host[$w]))",
      },
    ],
  },
  {
    id: "memory",
    title: "Memory",
    source: "system",
    unit: "percent",
    most: 100,
    threshold: { at: 90, rule: "critical_memory_usage" },
    help: "What is not available to programs.",
    series: [
      {
        label: "Memory",
        colour: 2,
        rest: (r) => r.memory_percent,
        prom: "avg(avg_over_time(llmwatch:memory_percent$host[$w]))",
      },
    ],
  },
  {
    id: "disk",
    title: "Disk",
    source: "system",
    unit: "percent",
    most: 100,
    threshold: { at: 85, rule: "low_disk_space" },
    help: "The root filesystem.",
    series: [
      {
        label: "Disk",
        colour: 3,
        rest: (r) => r.disk_usage_percent,
        prom: "avg(avg_over_time(llmwatch:disk_percent$host[$w]))",
      },
    ],
  },
  {
    id: "network",
    title: "Network",
    source: "system",
    unit: "bytes/s",
    totals: true,
    help: "Devices that carry traffic of the host itself.",
    series: [
      {
        label: "Received",
        colour: 1,
        rest: (r) => r.network_bytes_recv,
        prom: "sum(rate(llmwatch:network_received_bytes$host[$r]))",
      },
      {
        label: "Sent",
        colour: 4,
        dash: true,
        rest: (r) => r.network_bytes_sent,
        prom: "sum(rate(llmwatch:network_sent_bytes$host[$r]))",
      },
    ],
  },
  {
    id: "connections",
    title: "Connections",
    source: "system",
    unit: "count",
    help: "TCP connections in use.",
    series: [
      {
        label: "Connections",
        colour: 5,
        rest: (r) => r.active_connections,
        prom: "sum(avg_over_time(llmwatch:connections$host[$w]))",
      },
    ],
  },
];

const api: PanelOf<"api">[] = [
  {
    id: "requests",
    title: "Requests",
    source: "api",
    unit: "per second",
    help: "By class of the status code.",
    series: [
      {
        label: "2xx–3xx",
        colour: 1,
        rest: (r) => r.ok,
        prom: `${grew(`${requests}_count{http_response_status_code=~"[123].."}`)} / $s`,
      },
      {
        label: "4xx",
        colour: 4,
        dash: true,
        rest: (r) => r.client,
        prom: `${grew(`${requests}_count{http_response_status_code=~"4.."}`)} / $s`,
      },
      {
        label: "5xx",
        colour: 6,
        rest: (r) => r.server,
        prom: `${grew(`${requests}_count{http_response_status_code=~"5.."}`)} / $s`,
      },
    ],
  },
  {
    id: "errors",
    title: "Error rate",
    source: "api",
    unit: "percent",
    threshold: { at: 10, rule: "high_api_error_rate" },
    help: "Server errors in percent of all requests.",
    series: [
      {
        label: "Errors",
        colour: 6,
        rest: (r) => r.errorPercent,
        prom: `100 * (${grew(`${requests}_count{http_response_status_code=~"5.."}`)} or 0 * ${grew(`${requests}_count`)}) / (${grew(`${requests}_count`)} > 0)`,
      },
    ],
  },
  {
    id: "latency",
    title: "Response time",
    source: "api",
    unit: "ms",
    threshold: { at: 5000, rule: "slow_response_times" },
    help: "Mean and percentiles over all endpoints.",
    series: [
      {
        label: "Mean",
        colour: 1,
        rest: (r) => r.meanMs,
        prom: `1000 * ${grew(`${requests}_sum`)} / (${grew(`${requests}_count`)} > 0)`,
      },
      { label: "p50", colour: 2, prom: quantile(0.5, requests) },
      { label: "p95", colour: 4, dash: true, prom: quantile(0.95, requests) },
      { label: "p99", colour: 6, dash: true, prom: quantile(0.99, requests) },
    ],
  },
];

const app: PanelOf<"app">[] = [
  {
    id: "jobs",
    title: "Jobs now",
    source: "app",
    unit: "count",
    help: "Fine-tuning, evaluation and other jobs.",
    series: [
      { label: "Running", colour: 1, rest: (r) => r.active_jobs, prom: 'sum(llm_jobs{state="running"})' },
      {
        label: "Queued",
        colour: 4,
        dash: true,
        rest: (r) => r.queued_jobs,
        prom: 'sum(llm_jobs{state="queued"})',
      },
    ],
  },
  {
    id: "finished",
    title: "Jobs finished",
    source: "app",
    unit: "count",
    help: "In each interval.",
    series: [
      {
        label: "Completed",
        colour: 3,
        rest: (r) => r.completed_jobs,
        prom: grew('llm_jobs_finished_total{status="completed"}'),
      },
      {
        label: "Failed",
        colour: 6,
        rest: (r) => r.failed_jobs,
        prom: grew('llm_jobs_finished_total{status="failed"}'),
      },
      {
        label: "Cancelled",
        colour: 5,
        dash: true,
        rest: (r) => r.cancelled_jobs,
        prom: grew('llm_jobs_finished_total{status="cancelled"}'),
      },
    ],
  },
  {
    id: "cache",
    title: "Cache hit rate",
    source: "app",
    unit: "percent",
    most: 100,
    help: "Hits in percent of all lookups.",
    series: [
      {
        label: "Hits",
        colour: 2,
        rest: (r) => r.cache_hit_rate_percent,
        prom: `100 * ${grew('llm_cache_requests_total{result="hit"}')} / (${grew("llm_cache_requests_total")} > 0)`,
      },
    ],
  },
  {
    id: "queue",
    title: "Queue",
    source: "app",
    unit: "count",
    help: "Background tasks that wait.",
    series: [{ label: "Waiting", colour: 4, rest: (r) => r.queue_size, prom: "sum(llm_queue_depth)" }],
  },
  {
    id: "database",
    title: "Database connections",
    source: "app",
    unit: "count",
    help: "In use, and the most that the pools permit.",
    series: [
      {
        label: "In use",
        colour: 1,
        rest: (r) => r.database_connections,
        prom: 'sum(db_client_connection_count{state="used"})',
      },
      {
        label: "Most",
        colour: 5,
        dash: true,
        rest: (r) => r.max_database_connections,
        prom: "sum(db_client_connection_max)",
      },
    ],
  },
  {
    id: "models",
    title: "Model requests",
    source: "app",
    unit: "count",
    help: "In each interval.",
    series: [
      {
        label: "Requests",
        colour: 1,
        rest: (r) => r.model_requests,
        prom: grew("gen_ai_server_request_duration_seconds_count"),
      },
    ],
  },
  {
    id: "tokens",
    title: "Tokens",
    source: "app",
    unit: "count",
    help: "In each interval.",
    series: [
      {
        label: "Input",
        colour: 1,
        rest: (r) => r.input_tokens,
        prom: grew('gen_ai_client_token_usage_sum{gen_ai_token_type="input"}'),
      },
      {
        label: "Output",
        colour: 2,
        dash: true,
        rest: (r) => r.output_tokens,
        prom: grew('gen_ai_client_token_usage_sum{gen_ai_token_type="output"}'),
      },
    ],
  },
  {
    id: "cost",
    title: "Cost",
    source: "app",
    unit: "usd",
    help: "In each interval.",
    series: [{ label: "Cost", colour: 3, rest: (r) => r.cost_usd, prom: grew("llm_cost_usd_total") }],
  },
  {
    id: "first-token",
    title: "Time to first token",
    source: "app",
    unit: "ms",
    help: "Percentiles over all models.",
    series: [
      { label: "p50", colour: 2, prom: quantile(0.5, "gen_ai_server_time_to_first_token_seconds") },
      {
        label: "p95",
        colour: 4,
        dash: true,
        prom: quantile(0.95, "gen_ai_server_time_to_first_token_seconds"),
      },
    ],
  },
];

export const panels: Record<Source, Panel[]> = { system, api, app };

export const panelById = (id: string): Panel | undefined =>
  [...system, ...api, ...app].find((p) => p.id === id);
