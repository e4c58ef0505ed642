/** Questions by resource, as hooks. The first part of a key says which event makes the answer old. */
import {
  keepPreviousData,
  type QueryClient,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useMemo, useSyncExternalStore } from "react";
import type { ApiRow } from "../charts/panels";
import { get, type Query, send } from "./api";
import { seconds, typicalStep } from "./columns";
import { connection } from "./connection";
import { intervalsOf } from "./endpoints";
import { pollEvery } from "./live";

export const useConnection = () => useSyncExternalStore(connection.subscribe, connection.get);

/** While the stream is open it says when to ask again. */
export const useRefetch = () => (useConnection().stream === "live" ? false : pollEvery);

export const overviewQuery = {
  queryKey: ["overview"],
  queryFn: ({ signal }: Signal) => get("/dashboard/overview", { signal }),
};

interface Signal {
  signal: AbortSignal;
}

export function useOverview() {
  return useQuery({ ...overviewQuery, refetchInterval: useRefetch() });
}

export function useSystem(minutes: number, enabled = true) {
  return useQuery({
    queryKey: ["metrics", "system", minutes],
    queryFn: ({ signal }) => get("/metrics/system", { query: { minutes }, signal }),
    refetchInterval: useRefetch(),
    placeholderData: keepPreviousData,
    enabled,
  });
}

export function useApi(minutes: number, enabled = true) {
  return useQuery({
    queryKey: ["metrics", "api", minutes],
    queryFn: ({ signal }) => get("/metrics/api", { query: { minutes }, signal }),
    refetchInterval: useRefetch(),
    placeholderData: keepPreviousData,
    enabled,
  });
}

export function useApp(minutes: number, enabled = true) {
  return useQuery({
    queryKey: ["metrics", "app", minutes],
    queryFn: ({ signal }) => get("/metrics/app", { query: { minutes }, signal }),
    refetchInterval: useRefetch(),
    placeholderData: keepPreviousData,
    enabled,
  });
}

export function useSummary(hours: number) {
  return useQuery({
    queryKey: ["metrics", "summary", hours],
    queryFn: ({ signal }) => get("/metrics/summary", { query: { hours }, signal }),
    refetchInterval: useRefetch(),
    placeholderData: keepPreviousData,
  });
}

export const activeAlertsQuery = {
  queryKey: ["alerts", "active"],
  queryFn: ({ signal }: Signal) => get("/alerts", { signal }),
};

export function useActiveAlerts() {
  return useQuery({ ...activeAlertsQuery, refetchInterval: useRefetch() });
}

export function useAlertHistory(query: Query, enabled = true) {
  return useQuery({
    queryKey: ["alerts", "history", query],
    queryFn: ({ signal }) => get("/alerts/history", { query, signal }),
    refetchInterval: useRefetch(),
    placeholderData: keepPreviousData,
    enabled,
  });
}

export function useAlert(id: string) {
  return useQuery({
    queryKey: ["alerts", "one", id],
    queryFn: ({ signal }) => get("/alerts/{id}", { parts: { id }, signal }),
    refetchInterval: useRefetch(),
  });
}

export interface Acknowledgement {
  id: string;
  by: string;
  comment: string;
  expiresIn: string;
}

export function useAcknowledge() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, by, comment, expiresIn }: Acknowledgement) =>
      send("post", "/alerts/{id}/acknowledge", {
        parts: { id },
        body: { comment, acknowledged_by: by, ...(expiresIn ? { expires_in: expiresIn } : {}) },
      }),
    onSettled: () => alertsChanged(client),
  });
}

export function alertsChanged(client: QueryClient) {
  return Promise.all([
    client.invalidateQueries({ queryKey: ["alerts"] }),
    client.invalidateQueries({ queryKey: overviewQuery.queryKey }),
  ]);
}

export function useStatus() {
  return useQuery({
    queryKey: ["status", "components"],
    queryFn: ({ signal }) => get("/status", { signal }),
    refetchInterval: useRefetch(),
  });
}

/**
 * Whether PromQL is answered here, undefined until that is known: with an engine inside it is, beside an external
 * server there is REST alone. Asked once, before the first question, because a refusal would stand in the console.
 */
export function usePromServed() {
  const { data, error, refetch } = useQuery({
    queryKey: ["engine"],
    queryFn: ({ signal }) => get("/status", { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return { served: data?.data.some((c) => c.name === "prometheus"), error, refetch };
}

export function useHealth() {
  return useQuery({
    queryKey: ["status", "health"],
    // An unhealthy server answers 503 with the same form.
    queryFn: ({ signal }) => get("/health", { signal }),
    refetchInterval: useRefetch(),
    retry: false,
  });
}

export function useTestNotification() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (channel: string | undefined) =>
      send("post", "/notifications/test", { body: channel === undefined ? {} : { channel } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["status"] }),
  });
}

/** The collection interval in seconds, as the distance of the machine's samples shows it. */
export function useInterval(): number {
  const { data } = useSystem(60);
  return useMemo(() => {
    const step = typicalStep((data?.data ?? []).map((s) => seconds(s.timestamp)));
    return step > 0 ? Math.round(step) : 30;
  }, [data]);
}

/** The API's samples of the last seconds, one row an interval. */
export function useApiRows(last: number): ApiRow[] {
  const { data } = useApi(last / 60);
  const interval = useInterval();
  return useMemo(
    () => intervalsOf(data?.data ?? [], interval, { from: 0, to: Date.now() / 1000 }),
    [data, interval],
  );
}
