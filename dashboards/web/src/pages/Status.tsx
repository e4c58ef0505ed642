import { Ago } from "../components/Ago";
import { Panel } from "../components/Panel";
import { explain, Ready } from "../components/Ready";
import { Session } from "../components/Session";
import { View } from "../components/Shell";
import { Tag } from "../components/Tags";
import type { Schemas } from "../data/api";
import { show, words } from "../data/format";
import { useHealth, useStatus, useTestNotification } from "../data/queries";

export default function Status() {
  const status = useStatus();
  return (
    <View title="Status" tools={<Session />}>
      <Health />
      <Ready of={status} what="the components">
        {({ data }) => (
          <div className="grid three">
            {data.map((c) => (
              <Component key={c.name} component={c} />
            ))}
          </div>
        )}
      </Ready>
      <Notifications />
    </View>
  );
}

const healthTone = { healthy: "ok", degraded: "medium", unhealthy: "critical" } as const;

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
  if (typeof value === "number")
    return <>{name.includes("bytes") ? show(value, "bytes") : value.toLocaleString("en-US")}</>;
  if (Array.isArray(value)) return <>{value.map(String).join(", ") || "none"}</>;
  if (value !== null && typeof value === "object") return <code>{JSON.stringify(value)}</code>;
  return <>{value === null ? "–" : String(value)}</>;
}

function Notifications() {
  const test = useTestNotification();
  return (
    <Panel title="Notification channels">
      <p className="soft">
        Sends a test message through each enabled channel and shows what its server answered.
      </p>
      <p>
        <button
          type="button"
          className="button"
          disabled={test.isPending}
          onClick={() => test.mutate(undefined)}
        >
          {test.isPending ? "Sending…" : "Send a test"}
        </button>
      </p>
      <div role="status">
        {test.error && <p className="error-text break">{explain(test.error)}</p>}
        {test.data && (
          <ul className="problems">
            {test.data.data.map((r) => (
              <li key={r.channel} className="break">
                <Tag tone={r.accepted ? "ok" : "critical"}>{r.accepted ? "Accepted" : "Failed"}</Tag>{" "}
                <strong>{r.channel}</strong>: {r.answer}
              </li>
            ))}
          </ul>
        )}
      </div>
    </Panel>
  );
}
