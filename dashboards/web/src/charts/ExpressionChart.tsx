import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Ready } from "../components/Ready";
import { type PromSeries, query } from "../data/api";
import { fromMatrices } from "../data/columns";
import { watched } from "../data/expression";
import { useInterval } from "../data/queries";
import { stepFor } from "../data/range";
import { Chart } from "./Chart";
import type { Mark } from "./marks";
import type { Drawn } from "./usePanel";

interface Props {
  label: string;
  /** An alert's expression; a comparison with a number at its end is drawn as the threshold. */
  expr: string;
  from: number;
  to: number;
  marks: readonly Mark[];
  /** Only series that have these labels, where any has. */
  like?: Record<string, string>;
}

/** As many series are drawn; more are no picture any more. */
const most = 6;

export function ExpressionChart({ label, expr, from, to, marks, like }: Props) {
  const interval = useInterval();
  const { expr: left, threshold } = watched(expr);
  const step = stepFor({ from, to }, interval, 240);
  const asked = useQuery({
    queryKey: ["expression", left, step, from, to],
    queryFn: ({ signal }) =>
      query(
        "query_range",
        {
          query: left,
          // The steps end with the newest value.
          start: String(from + ((to - from) % step)),
          end: String(to),
          step: String(step),
        },
        signal,
      ),
    retry: false,
    placeholderData: (before) => before,
  });
  const drawn = useMemo(
    () => drawnOf(asked.data ?? [], like, step, from, to),
    [asked.data, like, step, from, to],
  );
  return (
    <Ready
      of={asked}
      what="the chart"
      empty={(series) => series.length === 0 && "The expression yields nothing in this time."}
    >
      {(series) => (
        <>
          <Chart label={label} drawn={drawn} unit="number" threshold={threshold} marks={marks} />
          {series.length > most && (
            <p className="faint">
              {most} of {series.length} series.
            </p>
          )}
        </>
      )}
    </Ready>
  );
}

function drawnOf(
  series: readonly PromSeries[],
  like: Record<string, string> | undefined,
  step: number,
  from: number,
  to: number,
): Drawn {
  const fits = series.filter((s) =>
    Object.entries(s.metric).every(([name, value]) => name === "__name__" || !like || like[name] === value),
  );
  const shown = (fits.length > 0 ? fits : series).slice(0, most);
  return {
    columns: fromMatrices(shown, step),
    series: shown.map((s, i) => ({
      label: nameOf(s.metric, shown.length, i),
      colour: i + 1,
      dash: i % 2 === 1,
    })),
    from,
    to,
  };
}

/** What tells a series from its neighbours. */
function nameOf(metric: Record<string, string>, of: number, i: number): string {
  const labels = Object.entries(metric).filter(([name]) => name !== "__name__");
  if (of === 1) return "Value";
  return labels.map(([name, value]) => `${name}=${value}`).join(" ") || `Series ${i + 1}`;
}
