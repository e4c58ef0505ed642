import { Ago } from "../components/Ago";
import { Panel } from "../components/Panel";
import { Ready } from "../components/Ready";
import { Session } from "../components/Session";
import { View } from "../components/Shell";
import { Tag } from "../components/Tags";
import type { Schemas } from "../data/api";
import { show, words } from "../data/format";
import { useHealth, useStatus } from "../data/queries";
import { Channels } from "../status/Channels";
import { Configuration } from "../status/Configuration";
import "../styles/status.css";

/** The component that has a part of the view for itself. */
const channels = "notifications";

export default function Status() {
  const status = useStatus();
  return (
    <View title="Status" tools={<Session />}>
      <Health />
      <Ready of={status} what="the components">
        {({ data }) => (
          <>
            <div className="grid three">
              {data
                .filter((c) => c.name !== channels)
                .map((c) => (
                  <Component key={c.name} component={c} />
                ))}
            </div>
            {data
              .filter((c) => c.name === channels)
              .map((c) => (
                <Channels key={c.name} component={c} />
              ))}
          </>
        )}
      </Ready>
      <Configuration />
    </View>
  );
}

const healthTone = {
  starting: "medium",
  healthy: "ok",
  degraded: "medium",
  unhealthy: "critical",
} as const;

function Health() {
  const health = useHealth();
  return (
    <Panel title="Health">
      <Ready of={health} what="the health">
        {(h) => (
          <>
            <p>
              <Tag tone={healthTone[h.status]}>{words(h.status)}</Tag>
            </p>
            {h.problems.length > 0 && (
              <ul className="problems">
                {h.problems.map((p) => (
                  <li className="break" key={p}>
                    {p}
                  </li>
                ))}
              </ul>
            )}
          </>
        )}
      </Ready>
    </Panel>
  );
}

function Component({ component: c }: { component: Schemas["Component"] }) {
  const details = Object.entries(c.details ?? {});
  return (
    <Panel
      title={c.name}
      more={<Tag tone={c.running ? "ok" : "critical"}>{c.running ? "Running" : "Stopped"}</Tag>}
    >
      {c.last_error && <p className="error-text break">{c.last_error}</p>}
      <dl className="pairs">
        {c.since && (
          <div>
            <dt>Since</dt>
            <dd>
              <Ago at={c.since} />
            </dd>
          </div>
        )}
        {c.last_success && (
          <div>
            <dt>Last success</dt>
            <dd>
              <Ago at={c.last_success} />
            </dd>
          </div>
        )}
        {details.map(([name, value]) => (
          <div key={name}>
            <dt>{words(name)}</dt>
            <dd className="break">
              <Detail name={name} value={value} />
            </dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}

/** As many digits of a commit as tell it apart. */
const commitShown = 12;

const timestamp = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

function Detail({ name, value }: { name: string; value: unknown }) {
  if (name === "commit") return <>{String(value).slice(0, commitShown)}</>;
  if (typeof value === "string" && timestamp.test(value)) return <Ago at={value} />;
  if (typeof value === "number") return <>{show(value, name.includes("bytes") ? "bytes" : "number")}</>;
  if (Array.isArray(value)) return <>{value.map(String).join(", ") || "none"}</>;
  if (value !== null && typeof value === "object") {
    return Object.keys(value).length === 0 ? <>none</> : <code>{JSON.stringify(value)}</code>;
  }
  return <>{value === null || value === "" ? "–" : String(value)}</>;
}
