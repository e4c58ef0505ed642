import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useLocation } from "wouter";
import { AlertItem } from "../components/AlertItem";
import { Exports } from "../components/Exports";
import { Icon } from "../components/Icon";
import { Ready } from "../components/Ready";
import { View } from "../components/Shell";
import { severityOrder } from "../components/Tags";
import { useAddress } from "../data/address";
import { get, type Schemas } from "../data/api";
import { counted, words } from "../data/format";
import { useActiveAlerts, useRefetch } from "../data/queries";
import { urgentFirst } from "./Overview";

export default function Alerts() {
  const [location] = useLocation();
  const past = location === "/alerts/history";
  return (
    <View title="Alerts" tools={<ExportAlerts past={past} />}>
      <Tabs />
      <Filters past={past} />
      {past ? <History /> : <Active />}
    </View>
  );
}

function ExportAlerts({ past }: { past: boolean }) {
  const [params] = useAddress();
  const { data } = useActiveAlerts();
  const chosen = (key: string) => params.get(key) ?? undefined;
  const query = { severity: chosen("severity"), status: chosen("status"), name: chosen("name") };
  if (past) return <Exports kind="alerts" query={query} />;
  // REST knows whole names. A part of one that none has is no whole name either.
  const names = new Set((data?.data ?? []).filter((a) => fits(a, params)).map((a) => a.name));
  return (
    <Exports
      kind="alerts"
      query={{
        ...query,
        status: query.status || activeStatuses.join(),
        name: query.name && names.size > 0 ? [...names].sort() : query.name,
      }}
    />
  );
}

const activeStatuses = ["triggered", "active", "acknowledged"];

/** Whether the filters of the active alerts let one pass. */
function fits(alert: Schemas["Alert"], params: URLSearchParams): boolean {
  const severity = params.get("severity");
  const status = params.get("status");
  const name = (params.get("name") ?? "").toLowerCase();
  return (
    (!severity || alert.severity === severity) &&
    (!status || alert.status === status) &&
    alert.name.toLowerCase().includes(name)
  );
}

const tabs = [
  { path: "/alerts", name: "Active" },
  { path: "/alerts/history", name: "History" },
  { path: "/alerts/rules", name: "Rules" },
];

export function Tabs() {
  const [location] = useLocation();
  return (
    <nav className="tabs" aria-label="Alerts">
      {tabs.map(({ path, name }) => (
        <Link key={path} href={path} aria-current={location === path ? "page" : undefined}>
          {name}
        </Link>
      ))}
    </nav>
  );
}

function Filters({ past }: { past: boolean }) {
  const [params, change] = useAddress();
  const statuses = [...activeStatuses, ...(past ? ["resolved"] : [])];
  return (
    <search className="filters">
      <label className="field">
        <span>Severity</span>
        <select value={params.get("severity") ?? ""} onChange={(e) => change({ severity: e.target.value })}>
          <option value="">All</option>
          {severityOrder.map((s) => (
            <option key={s} value={s}>
              {words(s)}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>Status</span>
        <select value={params.get("status") ?? ""} onChange={(e) => change({ status: e.target.value })}>
          <option value="">All</option>
          {statuses.map((s) => (
            <option key={s} value={s}>
              {words(s)}
            </option>
          ))}
        </select>
      </label>
      <label className="field grow">
        <span>Name</span>
        <input
          type="search"
          placeholder={past ? "The whole name" : "Part of a name"}
          value={params.get("name") ?? ""}
          onChange={(e) => change({ name: e.target.value }, { replace: true })}
        />
      </label>
    </search>
  );
}

function Active() {
  const [params] = useAddress();
  const asked = useActiveAlerts();
  return (
    <section className="panel" aria-label="Active alerts" aria-live="polite">
      <Ready of={asked} what="alerts">
        {({ data }) => {
          const chosen = urgentFirst(data).filter((a) => fits(a, params));
          if (data.length === 0) {
            return (
              <p className="calm">
                <Icon name="check" /> Nothing is firing.
              </p>
            );
          }
          if (chosen.length === 0)
            return <p className="calm">None of {counted(data.length, "alert")} fits the filters.</p>;
          return (
            <ul className="alerts">
              {chosen.map((alert) => (
                <AlertItem key={alert.id} alert={alert} />
              ))}
            </ul>
          );
        }}
      </Ready>
    </section>
  );
}

const pageSize = 50;

function History() {
  const [params] = useAddress();
  const query = {
    severity: params.get("severity") ?? undefined,
    status: params.get("status") ?? undefined,
    name: params.get("name") ?? undefined,
    limit: pageSize,
  };
  const refetchInterval = useRefetch();
  const asked = useInfiniteQuery({
    queryKey: ["alerts", "pages", query],
    queryFn: ({ pageParam, signal }) =>
      get("/alerts/history", { query: { ...query, cursor: pageParam }, signal }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval,
  });
  return (
    <section className="panel" aria-label="Alert history">
      <Ready of={asked} what="the history">
        {({ pages }) => {
          const alerts = pages.flatMap((p) => p.data);
          if (alerts.length === 0) return <p className="calm">No alert fits.</p>;
          return (
            <ul className="alerts">
              {alerts.map((alert) => (
                <AlertItem key={alert.id} alert={alert} />
              ))}
            </ul>
          );
        }}
      </Ready>
      {asked.hasNextPage && (
        <p className="calm">
          <button
            type="button"
            className="button"
            disabled={asked.isFetchingNextPage}
            onClick={() => void asked.fetchNextPage()}
          >
            {asked.isFetchingNextPage ? "Loading…" : "Older alerts"}
          </button>
        </p>
      )}
    </section>
  );
}
