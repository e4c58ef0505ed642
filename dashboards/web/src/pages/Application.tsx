import { ChartPanel } from "../charts/ChartPanel";
import { panels } from "../charts/panels";
import { Panel } from "../components/Panel";
import { RangeTools } from "../components/RangeTools";
import { Ready } from "../components/Ready";
import { View } from "../components/Shell";
import { useRange } from "../data/address";
import type { Schemas } from "../data/api";
import { duration, show } from "../data/format";
import { useSummary } from "../data/queries";

export default function Application() {
  const [range] = useRange();
  const summary = useSummary(range);
  const since = "last" in range ? `last ${duration(range.last)}` : "in this range";
  return (
    <View title="Application" tools={<RangeTools kind="app" />}>
      <div className="grid three">
        {panels.app.map((panel) => (
          <ChartPanel key={panel.id} panel={panel} />
        ))}
      </div>
      <div className="grid">
        <Panel title={`Jobs by type, ${since}`}>
          <Ready
            of={summary}
            what="jobs"
            empty={({ data }) => data.app.jobs.length === 0 && "No jobs in this time."}
          >
            {({ data }) => <Jobs rows={data.app.jobs} />}
          </Ready>
        </Panel>
        <Panel title={`Models, ${since}`}>
          <Ready
            of={summary}
            what="models"
            empty={({ data }) => data.app.models.length === 0 && "No model calls in this time."}
          >
            {({ data }) => <Models rows={data.app.models} />}
          </Ready>
        </Panel>
      </div>
    </View>
  );
}

type AppSummary = Schemas["AppSummary"];

function Jobs({ rows }: { rows: AppSummary["jobs"] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Type</th>
          {["Running", "Queued", "Done", "Failed", "Cancelled"].map((name) => (
            <th scope="col" className="number" key={name}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((r) => (
          <tr key={r.type}>
            <th scope="row" className="break">
              {r.type}
            </th>
            {[r.running, r.queued, r.completed, r.failed, r.cancelled].map((n, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the columns never move.
              <td className="number" key={i}>
                {show(n, "count")}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Models({ rows }: { rows: AppSummary["models"] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Model</th>
          <th scope="col" className="number">
            Requests
          </th>
          <th scope="col" className="number">
            Tokens
          </th>
          <th scope="col" className="number">
            Mean
          </th>
          <th scope="col" className="number">
            First token, p95
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((r) => (
          <tr key={r.model}>
            <th scope="row" className="break">
              {r.model}
            </th>
            <td className="number">{show(r.requests, "count")}</td>
            <td className="number">{show(r.input_tokens + r.output_tokens, "count")}</td>
            <td className="number">{show(r.avg_response_time_ms, "ms")}</td>
            <td className="number">{show(r.p95_time_to_first_token_ms, "ms")}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
