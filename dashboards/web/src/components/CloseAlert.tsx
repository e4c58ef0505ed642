import type { Schemas } from "../data/api";
import { words } from "../data/format";
import { useClose } from "../data/queries";
import { useSession } from "../data/session";
import { useSetting } from "../data/settings";
import { explain } from "./Ready";

/** Ends an alert by hand. One that its rule still gives is refused, in words that say what would be right. */
export function CloseButton({ alert }: { alert: Schemas["Alert"] }) {
  const { may } = useSession();
  const [name] = useSetting("name");
  const close = useClose();
  if (!may("acknowledge_alerts")) return null;
  return (
    <>
      {close.error && (
        <span className="error-text break" role="alert">
          {explain(close.error)}
        </span>
      )}
      <button
        type="button"
        className="button"
        aria-label={`Close ${alert.name}`}
        disabled={close.isPending}
        onClick={() => {
          const question = `Close ${words(alert.name)}? Those who were told of it are told that it was closed.`;
          if (window.confirm(question)) close.mutate({ id: alert.id, by: name });
        }}
      >
        Close
      </button>
    </>
  );
}
