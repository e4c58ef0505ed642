/** The data of a chart: from REST where it has the answer, else from PromQL, else from whichever there is. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { query } from "../data/api";
import { type Columns, fromMatrices, fromRows, perSecond } from "../data/columns";
import { intervalsOf } from "../data/endpoints";
import { keepOf, useApi, useApp, useInterval, usePromServed, useRefetch, useSystem } from "../data/queries";
import { bounds, lengthOf, type Range, stepFor } from "../data/range";
import type { Panel, PanelOf, Source } from "./panels";

/** Up to here REST gives each sample; a longer range would be more samples than pixels. */
export const everySample = 6 * 3600;

export interface Drawn {
  columns: Columns;
  series: { label: string; colour: number; dash?: boolean }[];
  from: number;
  to: number;
}

/** An expression with its widths filled in, in seconds, and its host. */
export const expand = (expr: string, step: number, interval: number, instance = "") =>
  expr
    .replaceAll("$w", `${step}s`)
    .replaceAll("$r", `${Math.max(step, 4 * interval)}s`)
    .replaceAll("$s", String(step))
    .replaceAll("$host", () => (instance === "" ? "" : `{instance=${JSON.stringify(instance)}}`));

/** What a panel shows of a range; of the machine's panels, one host or "" for all. */
export function usePanel(panel: Panel, range: Range, instance: string) {
  const engine = usePromServed();
  const better =
    lengthOf(range) > everySample || panel.source === "api" || panel.series.every((s) => !s.rest);
  const prom = usePromPanel(panel, range, instance, better && engine.served === true);
  const rest = useRestPanel(panel, range, instance, !better || engine.served === false);
  if (!better || engine.served === false) return rest;
  const { data, error, refetch } = engine.served ? prom : { ...engine, data: undefined };
  return { data, error, refetch: refetch as () => unknown };
}

function usePromPanel(panel: Panel, range: Range, instance: string, enabled: boolean) {
  const interval = useInterval();
  const step = stepFor(range, interval);
  return useQuery({
    queryKey: ["metrics", "panel", panel.id, range, step, instance],
    queryFn: async ({ signal }): Promise<Drawn> => {
      const { from, to } = bounds(range, Date.now() / 1000);
      const params = {
        start: String(Math.ceil(from / step) * step),
        end: String(Math.floor(to / step) * step),
        step: String(step),
      };
      const answers = await Promise.all(
        panel.series.map((s) =>
          query("query_range", { ...params, query: expand(s.prom, step, interval, instance) }, signal),
        ),
      );
      const columns = fromMatrices(
        answers.map((a) => a[0] ?? { metric: {} }),
        step,
      );
      return { columns, series: panel.series, from, to };
    },
    refetchInterval: useRefetch(),
    placeholderData: keepOf(instance),
    enabled,
  });
}

function useRestPanel(panel: Panel, range: Range, instance: string, enabled: boolean) {
  const uses = (source: Source) => enabled && panel.source === source;
  const system = useSystem(range, instance, uses("system"));
  const app = useApp(range, uses("app"));
  const api = useApi(range, uses("api"));
  const interval = useInterval();
  const asked = { system, app, api }[panel.source];
  const { data, dataUpdatedAt } = asked;
  const drawn = useMemo((): Drawn | undefined => {
    if (!data) return undefined;
    const within = bounds(range, dataUpdatedAt / 1000);
    switch (panel.source) {
      case "system":
        return draw(panel, system.data?.data ?? [], within);
      case "app":
        return draw(panel, app.data?.data ?? [], within);
      case "api":
        return draw(panel, intervalsOf(api.data?.data ?? [], interval, within), within);
    }
  }, [data, dataUpdatedAt, range, panel, system.data, app.data, api.data, interval]);
  return { data: drawn, error: asked.error, refetch: asked.refetch as () => unknown };
}

function draw<S extends Source>(
  panel: PanelOf<S>,
  rows: readonly Parameters<NonNullable<PanelOf<S>["series"][number]["rest"]>>[0][],
  within: { from: number; to: number },
): Drawn {
  const series = panel.series.filter((s) => s.rest !== undefined);
  const readers = series.flatMap((s) => (s.rest ? [s.rest] : []));
  const columns = fromRows(rows, readers, within);
  return { columns: panel.totals ? perSecond(columns) : columns, series, ...within };
}
