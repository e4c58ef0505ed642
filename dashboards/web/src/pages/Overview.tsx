import { lazy, Suspense } from "react";
import { Link } from "wouter";
import { AlertItem } from "../components/AlertItem";
import { Icon } from "../components/Icon";
import { LogLines } from "../components/LogLines";
import { Panel } from "../components/Panel";
import { Ready } from "../components/Ready";
import { View } from "../components/Shell";
import type { Schemas } from "../data/api";
import { counted, show } from "../data/format";
import { useActiveAlerts, useOverview, useSummary } from "../data/queries";
import { useSetting } from "../data/settings";
import { HealthCards } from "./HealthCards";

const Pinned = lazy(() => import("./Pinned"));

export function Overview() {
  const overview = useOverview();
  const [pinned] = useSetting("pinned");
  return (
    <View title="Overview">
      <Firing />
      <Ready of={overview} what="the overview">
        {({ data }) => (
          <>
            <HealthCards overview={data} />
            <div className="grid fit">
              <ApiPerformance data={data.api_performance} />
              <Application data={data.app} />
              <LogLines
                title="Newest errors"
                query={{ level: "ERROR,CRITICAL", start: "-24h", limit: 5 }}
                all="/logs?level=CRITICAL,ERROR&range=24h"
                nothing="No errors in the last 24 hours."
                live
              />
            </div>
          </>
        )}
      </Ready>
      {pinned.length > 0 && (
        <Suspense fallback={null}>
          <Pinned ids={pinned} />
        </Suspense>
      )}
    </View>
  );
}

/** The most that the overview lists. */
const shown = 5;

function Firing() {
  const alerts = useActiveAlerts();
  const title = alerts.data
    ? alerts.data.count === 0
      ? "Alerts"
      : counted(alerts.data.count, "alert")
    : "Alerts";
  return (
    <Panel title={title} flush more={<Link href="/alerts/history">History</Link>}>
      <div className="said" aria-live="polite">
        <Ready of={alerts} what="alerts">
          {({ data, count }) =>
            count === 0 ? (
              <p className="calm">
                <Icon name="check" /> Nothing is firing.
              </p>
            ) : (
              <ul className="alerts">
                {urgentFirst(data)
                  .slice(0, shown)
                  .map((alert) => (
                    <AlertItem key={alert.id} alert={alert} />
                  ))}
                {count > shown && (
                  <li className="rest">
                    <Link href="/alerts">All {counted(count, "alert")}</Link>
                  </li>
                )}
              </ul>
            )
          }
        </Ready>
      </div>
    </Panel>
  );
}

const weight: Record<Schemas["Severity"], number> = { critical: 0, high: 1, medium: 2, low: 3 };

/** What nobody has yet comes first, then what is worse, then what is newer. */
export function urgentFirst(alerts: readonly Schemas["Alert"][]): Schemas["Alert"][] {
  const held = (a: Schemas["Alert"]) => (a.status === "acknowledged" ? 1 : 0);
  return [...alerts].sort(
    (a, b) =>
      held(a) - held(b) ||
      weight[a.severity] - weight[b.severity] ||
      Number(b.fired_at > a.fired_at) - Number(b.fired_at < a.fired_at),
  );
}

/** The most endpoints that the overview lists. */
const busiest = 4;

function ApiPerformance({ data }: { data: Schemas["Overview"]["api_performance"] }) {
  const summary = useSummary({ last: 3600 }).data?.data.api;
  if (data.total_requests === 0) {
    return (
      <Panel title="API, last hour">
        <p className="state">No requests in the last hour.</p>
      </Panel>
    );
  }
  return (
    <Panel title="API, last hour" more={<Link href="/requests?range=1h">Endpoints</Link>}>
      <dl className="figures">
        <Figure
          name="Requests"
          value={show(data.total_requests, "count")}
          note={show(summary?.requests_per_second, "per second")}
        />
        <Figure
          name="Mean response"
          value={show(data.avg_response_time, "ms")}
          note={`p95 ${show(summary?.p95_response_time_ms, "ms")}`}
        />
        <Figure
          name="Error rate"
          value={`${data.error_rate} %`}
          note={summary && `${show(summary.error_count, "count")} failed`}
        />
        <Figure name="Endpoints" value={show(data.unique_endpoints, "count")} note="in use" />
      </dl>
      {summary && <Busiest rows={summary.top_endpoints.slice(0, busiest)} />}
    </Panel>
  );
}

function Busiest({ rows }: { rows: Schemas["Summary"]["api"]["top_endpoints"] }) {
  return (
    <table className="busiest">
      <caption className="hidden">The busiest endpoints</caption>
      <thead>
        <tr>
          <th scope="col">Busiest</th>
          <th scope="col" className="number">
            Requests
          </th>
          <th scope="col" className="number">
            Failed
          </th>
          <th scope="col" className="number">
            Mean
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((r) => (
          <tr key={r.endpoint}>
            <th scope="row" className="break mono">
              {r.endpoint}
            </th>
            <td className="number">{show(r.request_count, "count")}</td>
            <td className="number">{show(r.error_count, "count")}</td>
            <td className="number">{show(r.avg_response_time_ms, "ms")}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Application({ data }: { data: Schemas["AppTotals"] }) {
  const lookups = data.cache_hits + data.cache_misses;
  return (
    <Panel title="Application" more={<Link href="/application?range=1h">Charts</Link>}>
      <dl className="figures">
        <Figure
          name="Jobs running"
          value={show(data.active_jobs, "count")}
          note={`${show(data.queued_jobs, "count")} queued`}
        />
        <Figure
          name="Jobs done"
          value={show(data.completed_jobs, "count")}
          note={`${show(data.failed_jobs, "count")} failed`}
        />
        <Figure name="Evaluations" value={show(data.completed_evaluations, "count")} note="last hour" />
        <Figure
          name="Cache hits"
          value={show(data.cache_hit_rate_percent, "percent")}
          note={`of ${show(lookups, "count")}`}
        />
        <Figure name="Queue" value={show(data.queue_size, "count")} note="waiting" />
        <Figure
          name="Database"
          value={show(data.database_connections, "count")}
          note={`of ${show(data.max_database_connections, "count")}`}
        />
        <Figure
          name="Tokens"
          value={show(data.input_tokens + data.output_tokens, "count")}
          note={`${show(data.model_requests, "count")} requests`}
        />
        <Figure name="Cost" value={show(data.cost_usd, "usd")} note="last hour" />
      </dl>
    </Panel>
  );
}

function Figure({ name, value, note }: { name: string; value: string; note?: string | undefined }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {value} {note && <small>{note}</small>}
      </dd>
    </div>
  );
}
