import { Link } from "wouter";
import type { Schemas } from "../data/api";
import { duration, words } from "../data/format";
import { AcknowledgeButton } from "./Acknowledge";
import { Ago, Moment } from "./Ago";
import { Icon } from "./Icon";
import { SeverityTag, statusWords } from "./Tags";

/** One alert in a list: what, how bad, since when, who has it. */
export function AlertItem({ alert }: { alert: Schemas["Alert"] }) {
  const { acknowledgement: held, status } = alert;
  const waits = status === "triggered" || status === "active";
  return (
    <li className={waits ? alert.severity : `${alert.severity} settled`}>
      <SeverityTag severity={alert.severity} />
      <div className="what">
        <Link className="name break" href={`/alerts/${encodeURIComponent(alert.id)}`}>
          {words(alert.name)}
        </Link>
        <p className="soft break">{alert.description}</p>
        <div className="meta">
          <span>{statusWords(status)}</span>
          {alert.resolved_at ? (
            <span>
              <Moment at={alert.fired_at} />, for{" "}
              {duration((Date.parse(alert.resolved_at) - Date.parse(alert.fired_at)) / 1000)}
            </span>
          ) : (
            <span>
              since <Moment at={alert.fired_at} /> (<Ago at={alert.fired_at} />)
            </span>
          )}
          {held && (
            <span className="holder">
              <Icon name="person" /> {held.by || "Somebody"}
              {held.comment && `: ${held.comment}`}
            </span>
          )}
          {alert.flaps > 0 && <span>came back {alert.flaps}×</span>}
        </div>
      </div>
      <div className="act">{waits && <AcknowledgeButton alert={alert} />}</div>
    </li>
  );
}
