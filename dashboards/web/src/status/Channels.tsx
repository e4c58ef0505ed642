import { useState } from "react";
import { Ago } from "../components/Ago";
import { Panel } from "../components/Panel";
import { explain } from "../components/Ready";
import { Tag } from "../components/Tags";
import type { Schemas } from "../data/api";
import { counted } from "../data/format";
import { useTestNotification } from "../data/queries";
import { useSession } from "../data/session";

type Channel = Schemas["Channel"];

interface Result {
  channel: string;
  accepted: boolean;
  answer: string;
}

/** Who is told of alerts, whether it worked, and whether it would work now. */
export function Channels({ component }: { component: Schemas["Component"] }) {
  const channels = component.details?.channels ?? [];
  const { may } = useSession();
  const test = useTestNotification();
  const [results, setResults] = useState<Result[]>([]);
  const run = (channel?: string) =>
    test.mutate(channel, {
      onSuccess: ({ data }) =>
        setResults((before) => [
          ...before.filter((r) => data.every(({ channel }) => channel !== r.channel)),
          ...data,
        ]),
    });
  const owed = (component.details?.pending ?? 0) - channels.reduce((sum, c) => sum + c.pending, 0);
  return (
    <Panel
      title="Notification channels"
      more={
        channels.length > 1 &&
        may("manage_rules") && (
          <button type="button" className="button" disabled={test.isPending} onClick={() => run()}>
            {test.isPending && test.variables === undefined ? "Sending…" : "Test all"}
          </button>
        )
      }
    >
      {channels.length === 0 ? (
        <p className="state">
          <strong>No channel is configured.</strong> Alerts are shown on this page, and nobody is told of
          them.
        </p>
      ) : (
        <ul className="channels">
          {channels.map((c) => (
            <ChannelItem
              key={c.name}
              channel={c}
              since={component.since}
              result={results.find((r) => r.channel === c.name)}
              busy={test.isPending}
              sending={test.isPending && test.variables === c.name}
              onTest={may("manage_rules") ? () => run(c.name) : undefined}
            />
          ))}
        </ul>
      )}
      {owed > 0 && (
        <p className="soft">
          {counted(owed, "notification")} {owed === 1 ? "is" : "are"} owed to channels that are configured no
          more.
        </p>
      )}
      {test.error && (
        <p className="error-text break" role="alert">
          {explain(test.error)}
        </p>
      )}
    </Panel>
  );
}

interface ItemProps {
  channel: Channel;
  since: string | null;
  result: Result | undefined;
  busy: boolean;
  sending: boolean;
  onTest: (() => void) | undefined;
}

function ChannelItem({ channel: c, since, result, busy, sending, onTest }: ItemProps) {
  return (
    <li>
      <div className="what">
        <p>
          <strong className="break">{c.name}</strong> <Outcome channel={c} />
        </p>
        <p className="meta">
          {c.last_accepted && (
            <span>
              last accepted <Ago at={c.last_accepted} />
            </span>
          )}
          {c.last_failed && (
            <span>
              last failed <Ago at={c.last_failed} />
            </span>
          )}
          {!c.last_accepted && !c.last_failed && since && (
            <span>
              nothing sent since llmwatch was started, <Ago at={since} />
            </span>
          )}
          {c.pending > 0 && <span>{counted(c.pending, "notification")} owed</span>}
        </p>
        {c.last_error && result?.accepted !== false && <p className="break">{c.last_error}</p>}
        <div role="status">
          {result && (
            <p className="break">
              <Tag tone={result.accepted ? "ok" : "critical"}>
                {result.accepted ? "Test accepted" : "Test failed"}
              </Tag>{" "}
              {result.answer}
            </p>
          )}
        </div>
      </div>
      {onTest && (
        <button
          type="button"
          className="button"
          aria-label={`Test ${c.name}`}
          disabled={busy}
          onClick={onTest}
        >
          {sending ? "Sending…" : "Test"}
        </button>
      )}
    </li>
  );
}

/** How the newest attempt ended. */
function Outcome({ channel: { last_accepted: accepted, last_failed: failed } }: { channel: Channel }) {
  if (failed && (!accepted || Date.parse(failed) > Date.parse(accepted))) {
    return <Tag tone="critical">Fails</Tag>;
  }
  return accepted ? <Tag tone="ok">Works</Tag> : <Tag tone="plain">Not used yet</Tag>;
}
