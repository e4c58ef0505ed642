import { Link } from "wouter";
import type { Schemas } from "../data/api";
import { duration, words } from "../data/format";
import { readable } from "../data/text";
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
        <div className="head">
          <Link className="name break" href={`/alerts/${encodeURIComponent(alert.id)}`}>
            {readable(words(alert.name))}
          </Link>
          <Since alert={alert} />
        </div>
        {alert.label_text && <p className="labels mono break">{alert.label_text}</p>}
        <p className="soft break">{readable(alert.description)}</p>
        {held && (
          <p className="holder break">
            <Icon name="person" /> {readable(held.by) || "Somebody"}
            {held.comment && `: ${readable(held.comment)}`}
          </p>
        )}
      </div>
      <div className="act">{waits && <AcknowledgeButton alert={alert} />}</div>
    </li>
  );
}

function Since({ alert }: { alert: Schemas["Alert"] }) {
  const { fired_at: fired, resolved_at: resolved } = alert;
  return (
    <span className="meta">
      <span>{statusWords(alert.status)}</span>
      {resolved ? (
        <span>
          <Moment at={fired} />, for {duration((Date.parse(resolved) - Date.parse(fired)) / 1000)}
        </span>
      ) : (
        <span>
          since <Moment at={fired} /> (<Ago at={fired} />)
        </span>
      )}
      {alert.unjudged && (
        <span>
          cannot be judged since <Moment at={alert.unjudged.since} />: {alert.unjudged.reason}
        </span>
      )}
      {alert.flaps > 0 && <span>came back {alert.flaps}×</span>}
    </span>
  );
}
