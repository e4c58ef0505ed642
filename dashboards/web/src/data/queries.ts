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
import { type Range, samplesOf, summaryOf } from "./range";

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

const asked = (range: Range) => samplesOf(range, Date.now() / 1000);

/** Keeps what was shown until the answer is there, but never one host's for another's, which ends the key. */
export const keepOf =
  (instance: string) =>
  <T>(before: T | undefined, query?: { queryKey: readonly unknown[] }) =>
    query?.queryKey.at(-1) === instance ? before : undefined;

export function useSystem(range: Range, instance = "", enabled = true) {
  return useQuery({
    queryKey: ["metrics", "system", range, instance],
    queryFn: ({ signal }) => get("/metrics/system", { query: { ...asked(range), instance }, signal }),
    refetchInterval: useRefetch(),
    placeholderData: keepOf(instance),
    enabled,
  });
}

export function useApi(range: Range, enabled = true) {
  return useQuery({
    queryKey: ["metrics", "api", range],
    queryFn: ({ signal }) => get("/metrics/api", { query: asked(range), signal }),
    refetchInterval: useRefetch(),
    placeholderData: keepPreviousData,
    enabled,
  });
}

export function useApp(range: Range, enabled = true) {
  return useQuery({
    queryKey: ["metrics", "app", range],
    queryFn: ({ signal }) => get("/metrics/app", { query: asked(range), signal }),
    refetchInterval: useRefetch(),
    placeholderData: keepPreviousData,
    enabled,
  });
}

export function useSummary(range: Range) {
  return useQuery({
    queryKey: ["metrics", "summary", range],
    queryFn: ({ signal }) =>
      get("/metrics/summary", { query: { ...summaryOf(range, Date.now() / 1000) }, signal }),
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

/** Ends an alert by hand. */
export function useClose() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, by }: { id: string; by: string }) =>
      send("post", "/alerts/{id}/close", { parts: { id }, body: { closed_by: by } }),
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
    // A server that starts or is unhealthy answers 503: its problems are the error.
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
  const { data } = useSystem({ last: 3600 });
  return useMemo(() => {
    const step = typicalStep((data?.data ?? []).map((s) => seconds(s.timestamp)));
    return step > 0 ? Math.round(step) : 30;
  }, [data]);
}

/** The API's samples of the last seconds, one row an interval. */
export function useApiRows(last: number): ApiRow[] {
  const { data } = useApi({ last });
  const interval = useInterval();
  return useMemo(
    () => intervalsOf(data?.data ?? [], interval, { from: 0, to: Date.now() / 1000 }),
    [data, interval],
  );
}
