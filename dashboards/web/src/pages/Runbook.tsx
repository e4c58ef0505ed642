import { Link } from "wouter";
import { AlertItem } from "../components/AlertItem";
import { Panel } from "../components/Panel";
import { Ready } from "../components/Ready";
import { View } from "../components/Shell";
import { ApiError } from "../data/api";
import { counted } from "../data/format";
import { useActiveAlerts } from "../data/queries";
import { runbookAddress, runbookPath, runbookUrl, useRunbook, useRunbooks } from "../data/runbooks";
import { Markdown } from "../runbooks/Markdown";
import "../styles/runbooks.css";
import { urgentFirst } from "./Overview";

/** The runbook of that name, or without one the list of all. */
export default function Runbook({ name }: { name: string | undefined }) {
  if (name !== undefined) return <One name={name} />;
  return (
    <View title="Runbooks">
      <All />
    </View>
  );
}

/** What to look at and to do when an alert of this name fires, and whether one does. */
function One({ name }: { name: string }) {
  const asked = useRunbook(name);
  const unknown = asked.error instanceof ApiError && asked.error.status === 404;
  return (
    <View
      title={
        <>
          <Link href="/runbooks">Runbooks</Link> <span className="faint">/</span>{" "}
          <span className="break">{asked.data?.data.title ?? name}</span>
        </>
      }
    >
      <Firing name={name} />
      {unknown ? (
        <>
          <p>There is no runbook of this name. Those that there are:</p>
          <All />
        </>
      ) : (
        <Ready of={asked} what="the runbook">
          {({ data }) => <Markdown text={data.markdown} />}
        </Ready>
      )}
    </View>
  );
}

function All() {
  const asked = useRunbooks();
  return (
    <section className="panel" aria-label="Runbooks">
      <Ready of={asked} what="the runbooks">
        {({ data }) => (
          <ul className="runbooks">
            {data.map(({ name, title }) => (
              <li key={name}>
                <Link className="break" href={runbookPath(name)}>
                  {title}
                </Link>
              </li>
            ))}
          </ul>
        )}
      </Ready>
    </section>
  );
}

/** The alerts of this name, and those of other names that say that this is their runbook. */
function Firing({ name }: { name: string }) {
  const active = useActiveAlerts().data?.data ?? [];
  const alerts = urgentFirst(
    active.filter((a) => {
      const address = runbookAddress(a.metadata.annotations[runbookUrl], [name]);
      return a.name === name || (address !== undefined && "view" in address);
    }),
  );
  if (alerts.length === 0) return null;
  return (
    <Panel title={`${counted(alerts.length, "alert")} now`} flush>
      <ul className="alerts">
        {alerts.map((alert) => (
          <AlertItem key={alert.id} alert={alert} />
        ))}
      </ul>
    </Panel>
  );
}
