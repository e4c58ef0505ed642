import { useMemo } from "react";
import { ExpressionChart } from "../charts/ExpressionChart";
import { marksOf } from "../charts/marks";
import { useNow } from "../components/Ago";
import { LogLines } from "../components/LogLines";
import { Panel } from "../components/Panel";
import type { Schemas } from "../data/api";
import { usePromServed } from "../data/queries";
import { rangeParams } from "../data/range";
import { useExpression } from "../data/rules";

type Alert = Schemas["Alert"];

/** As much is shown before an alert fired and after it was resolved. */
const margin = 1800;
/** The end of what still goes on moves in steps, so that the chart is not asked for all the time. */
const grain = 30;

/** What was measured and logged around the time of an alert. */
export function Around({ alert }: { alert: Alert }) {
  const now = useNow() / 1000;
  const from = Math.floor(Date.parse(alert.fired_at) / 1000 - margin);
  const ended = alert.resolved_at ? Date.parse(alert.resolved_at) / 1000 + margin : Number.POSITIVE_INFINITY;
  const to = Math.min(ended, Math.ceil(now / grain) * grain);
  return (
    <div className="grid">
      <Measured alert={alert} from={from} to={to} />
      <Logged from={from} to={to} />
    </div>
  );
}

interface Time {
  from: number;
  to: number;
}

function Measured({ alert, from, to }: { alert: Alert } & Time) {
  const expr = useExpression(alert);
  const { served } = usePromServed();
  const marks = useMemo(() => marksOf([alert], alert.name, to), [alert, to]);
  return (
    <Panel title="What it watches">
      {expr && <p className="mono soft break">{expr}</p>}
      {expr && served ? (
        <ExpressionChart
          label={alert.name}
          expr={expr}
          from={from}
          to={to}
          marks={marks}
          like={alert.metadata.labels}
        />
      ) : (
        <p className="state">
          {expr === undefined || served === undefined
            ? "Looking for its rule."
            : expr === null
              ? "Its rule is not kept here, so there is no chart."
              : "There is no chart: the expression is evaluated by an external Prometheus."}
        </p>
      )}
    </Panel>
  );
}

const levels = "WARNING,ERROR,CRITICAL";

function Logged({ from, to }: Time) {
  const iso = (s: number) => new Date(s * 1000).toISOString();
  const time = new URLSearchParams(
    Object.entries(rangeParams({ from, to })).flatMap(([k, v]) => (v ? [[k, v]] : [])),
  );
  return (
    <LogLines
      title="Warnings and errors logged meanwhile"
      query={{ start: iso(from), end: iso(to), level: levels, limit: 8 }}
      all={`/logs?${time}&level=${levels}`}
      nothing="None."
    />
  );
}
