import { useState } from "react";
import type { Schemas } from "../data/api";
import { words } from "../data/format";
import { useAcknowledge } from "../data/queries";
import { useSession } from "../data/session";
import { useSetting } from "../data/settings";
import { readable } from "../data/text";
import { explain } from "./Ready";
import { Sheet } from "./Sheet";

const ends = { "": "it resolves", "1h": "1 hour", "4h": "4 hours", "8h": "8 hours", "24h": "24 hours" };

/** The name with the labels that tell it apart. */
const named = (alert: Schemas["Alert"]) =>
  readable(alert.name) + (alert.label_text && ` (${alert.label_text})`);

/** "I have it": the button, and the form behind it. */
export function AcknowledgeButton({
  alert,
  primary = false,
}: {
  alert: Schemas["Alert"];
  primary?: boolean;
}) {
  const [open, setOpen] = useState(false);
  const { may } = useSession();
  if (!may("acknowledge_alerts")) return null;
  return (
    <>
      <button
        type="button"
        className={primary ? "button primary" : "button"}
        aria-label={`Acknowledge ${named(alert)}`}
        onClick={() => setOpen(true)}
      >
        Acknowledge
      </button>
      {open && <AcknowledgeForm alert={alert} onClose={() => setOpen(false)} />}
    </>
  );
}

function AcknowledgeForm({ alert, onClose }: { alert: Schemas["Alert"]; onClose: () => void }) {
  const session = useSession();
  const [name, setName] = useSetting("name");
  const [by, setBy] = useState(name);
  const [comment, setComment] = useState("");
  const [expiresIn, setExpiresIn] = useState("");
  const acknowledge = useAcknowledge();
  return (
    <Sheet title={`Acknowledge ${named(alert)}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setName(by);
          acknowledge.mutate({ id: alert.id, by, comment, expiresIn }, { onSuccess: onClose });
        }}
      >
        <h2 className="break">Acknowledge {readable(words(alert.name))}</h2>
        {alert.label_text && <p className="labels mono break">{alert.label_text}</p>}
        <p className="soft">No reminders and no escalation follow while you have it.</p>
        {session.name === "" && (
          <label className="field">
            <span>Who has it</span>
            <input required autoComplete="nickname" value={by} onChange={(e) => setBy(e.target.value)} />
          </label>
        )}
        <label className="field">
          <span>Comment</span>
          <textarea rows={2} value={comment} onChange={(e) => setComment(e.target.value)} />
        </label>
        <label className="field">
          <span>Until</span>
          <select value={expiresIn} onChange={(e) => setExpiresIn(e.target.value)}>
            {Object.entries(ends).map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        </label>
        {acknowledge.error && (
          <p className="error-text break" role="alert">
            {explain(acknowledge.error)}
          </p>
        )}
        <div className="buttons">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={acknowledge.isPending}>
            {acknowledge.isPending ? "Sending…" : "I have it"}
          </button>
        </div>
      </form>
    </Sheet>
  );
}
