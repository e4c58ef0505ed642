import { Link } from "wouter";
import { AcknowledgeButton } from "../components/Acknowledge";
import { Ago, Moment } from "../components/Ago";
import { CloseButton } from "../components/CloseAlert";
import { Panel } from "../components/Panel";
import { Ready } from "../components/Ready";
import { RunbookLink } from "../components/RunbookLink";
import { View } from "../components/Shell";
import { SeverityTag, Shape, statusWords } from "../components/Tags";
import type { Schemas } from "../data/api";
import { duration, show, words } from "../data/format";
import { useAlert } from "../data/queries";
import { runbookUrl } from "../data/runbooks";
import { readable } from "../data/text";
import { meaning, originWords, runbookWords, toneOf } from "../data/timeline";
import { Around } from "./Around";

type Alert = Schemas["Alert"];

/** One alert: what it is, who has it, what happened, and what to do. */
export default function AlertPage({ id }: { id: string }) {
  const asked = useAlert(id);
  const alert = asked.data?.data;
  return (
    <View
      title={
        <>
          <Link href="/alerts">Alerts</Link> <span className="faint">/</span>{" "}
          <span className="break">{readable(words(alert?.name ?? id))}</span>
        </>
      }
      tools={
        alert && (
          <>
            <RunbookLink className="button" url={alert.metadata.annotations[runbookUrl]}>
              {readable(runbookWords(alert.origin, alert.metadata.annotations[runbookUrl]))}
            </RunbookLink>
            {alert.status !== "resolved" && <CloseButton alert={alert} />}
            {alert.status !== "resolved" && alert.status !== "acknowledged" && (
              <AcknowledgeButton alert={alert} primary />
            )}
          </>
        )
      }
    >
      <Ready of={asked} what="the alert">
        {({ data }) => (
          <>
            <Facts alert={data} />
            <Around alert={data} />
            <div className="grid">
              <Timeline events={data.timeline ?? []} />
              <Details alert={data} />
            </div>
          </>
        )}
      </Ready>
    </View>
  );
}

function Facts({ alert }: { alert: Alert }) {
  const { acknowledgement: held, metadata } = alert;
  const threshold = metadata.annotations["threshold"];
  const lasted = (Date.parse(alert.resolved_at ?? "") - Date.parse(alert.fired_at)) / 1000;
  return (
    <section className="panel facts" aria-label="In short" aria-live="polite">
      <p className="lead">
        <SeverityTag severity={alert.severity} /> <strong>{statusWords(alert.status)}</strong>
      </p>
      {alert.label_text && <p className="labels mono break">{alert.label_text}</p>}
      <p className="break">{readable(alert.description)}</p>
      <dl className="figures">
        <div>
          <dt>Fired</dt>
          <dd className="text">
            <Moment at={alert.fired_at} />
            <small>{alert.resolved_at ? `lasted ${duration(lasted)}` : <Ago at={alert.fired_at} />}</small>
          </dd>
        </div>
        <div>
          <dt>Value</dt>
          <dd className="text">
            {show(metadata.value, "number")}
            {threshold && <small>threshold {threshold}</small>}
          </dd>
        </div>
        <div>
          <dt>Who has it</dt>
          <dd className="text break">
            {held ? readable(held.by) || "Somebody" : alert.status === "resolved" ? "–" : "Nobody yet"}
            {held && (
              <small>
                <Moment at={held.at} />
                {held.expires_at && (
                  <>
                    , until <Moment at={held.expires_at} />
                  </>
                )}
              </small>
            )}
          </dd>
        </div>
        {alert.resolved_at && (
          <div>
            <dt>{alert.ending && alert.ending.kind !== "resolved" ? "Ended" : "Resolved"}</dt>
            <dd className="text break">
              <Moment at={alert.resolved_at} />
              {alert.ending && alert.ending.kind !== "resolved" && (
                <small>{readable(alert.ending.text)}</small>
              )}
            </dd>
          </div>
        )}
        <div>
          <dt>From</dt>
          <dd className="text break">{readable(originWords(alert.origin))}</dd>
        </div>
      </dl>
      {held?.comment && <blockquote className="break">{readable(held.comment)}</blockquote>}
    </section>
  );
}

function Timeline({ events }: { events: NonNullable<Alert["timeline"]> }) {
  return (
    <Panel title="Timeline">
      <ol className="timeline">
        {events.map((e, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: events are only ever added at the end.
          <li key={i} className={toneOf(e.kind)}>
            <Shape tone={toneOf(e.kind)} />
            <div>
              <strong>{meaning(e.kind)}</strong>
              {e.channel && <span> · {readable(e.channel)}</span>}
              {e.by && <span> · by {readable(e.by)}</span>}
              {e.text && <p className="soft break">{readable(e.text)}</p>}
            </div>
            <Moment at={e.at} />
          </li>
        ))}
      </ol>
    </Panel>
  );
}

function Details({ alert }: { alert: Alert }) {
  const { labels, annotations } = alert.metadata;
  const others = Object.entries(annotations).filter(([name]) => name !== "description");
  return (
    <Panel title="Labels and annotations">
      <Pairs of={Object.entries(labels)} />
      {others.length > 0 && <Pairs of={others} />}
    </Panel>
  );
}

function Pairs({ of }: { of: [string, string][] }) {
  return (
    <dl className="pairs">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt className="break">{readable(name)}</dt>
          <dd className="break mono">
            {name === runbookUrl ? (
              <RunbookLink url={value} otherwise={value}>
                {readable(value)}
              </RunbookLink>
            ) : /^https?:\/\//.test(value) ? (
              <WebLink to={value} />
            ) : (
              readable(value)
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}

const WebLink = ({ to }: { to: string }) => (
  <a href={to} target="_blank" rel="noreferrer">
    {readable(to)}
  </a>
);
