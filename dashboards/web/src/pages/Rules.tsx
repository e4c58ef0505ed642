import { Ago } from "../components/Ago";
import { Ready } from "../components/Ready";
import { RuleForm } from "../components/RuleForm";
import { RunbookLink } from "../components/RunbookLink";
import { View } from "../components/Shell";
import { SeverityTag, Tag } from "../components/Tags";
import { useAddress } from "../data/address";
import { counted, show } from "../data/format";
import { type Recording, type Rule, useDeleteRule, useRules, useSaveRule } from "../data/rules";
import { runbookUrl } from "../data/runbooks";
import { useSession } from "../data/session";
import { readable } from "../data/text";
import { Tabs } from "./Alerts";

/** The alert rules: what is watched, whether it works, and one's own. */
export default function Rules() {
  const asked = useRules();
  const [params, change] = useAddress();
  const { may } = useSession();
  const editing = params.get("edit");
  const close = () => change({ edit: undefined });
  return (
    <View
      title="Alerts"
      tools={
        may("manage_rules") && (
          <button type="button" className="button primary" onClick={() => change({ edit: "+" })}>
            New rule
          </button>
        )
      }
    >
      <Tabs />
      <section className="panel" aria-label="Alert rules">
        <Ready of={asked} what="the rules" empty={({ count }) => count === 0 && "There are no rules."}>
          {({ data, recording, warnings }) => (
            <>
              <Troubles rules={data} recording={recording} warnings={warnings} />
              <ul className="rules">
                {data.map((rule) => (
                  <RuleItem key={keyOf(rule)} rule={rule} onEdit={() => change({ edit: rule.name })} />
                ))}
              </ul>
              {editing === "+" && <RuleForm onClose={close} />}
              {data
                .filter((r) => r.name === editing && r.origin !== "file")
                .map((rule) => (
                  <RuleForm key={rule.name} rule={rule} onClose={close} />
                ))}
            </>
          )}
        </Ready>
      </section>
    </View>
  );
}

/** Rules of one name differ in their group, or in their labels. */
const keyOf = (rule: Rule) =>
  JSON.stringify([rule.name, rule.origin, rule.file, rule.group, rule.labels, rule.expr]);

interface Evaluated {
  name: string;
  group: string;
  state: Rule["state"];
}

/** What is wrong with the rules: nothing of what such a rule watches is known. */
function Troubles(of: {
  rules: readonly Rule[];
  recording: readonly Recording[];
  warnings: readonly string[];
}) {
  const failing = (all: readonly Evaluated[]) => all.filter((r) => r.state?.health === "err");
  const alerting = failing(of.rules);
  const recording = failing(of.recording);
  if (alerting.length + recording.length + of.warnings.length === 0) return null;
  return (
    <div className="troubles" role="status">
      {of.warnings.map((w) => (
        <p key={w} className="error-text break">
          {w}
        </p>
      ))}
      {alerting.length > 0 && (
        <p className="error-text break">
          {counted(alerting.length, "alert rule")} cannot be evaluated: {namesOf(alerting)}
        </p>
      )}
      {recording.map((r) => (
        <p key={`${r.group}/${r.name}`} className="error-text break">
          The recording rule {readable(r.name)} of group {readable(r.group)} cannot be evaluated:{" "}
          {readable(r.state?.last_error ?? "")}
        </p>
      ))}
    </div>
  );
}

const mostNames = 10;

function namesOf(rules: readonly Evaluated[]): string {
  const more = rules.length - mostNames;
  const names = rules.slice(0, mostNames).map((r) => readable(r.name));
  return `${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function originOf(rule: Rule): string {
  switch (rule.origin) {
    case "default":
      return rule.overridden ? "default, changed" : "default";
    case "custom":
      return "custom";
    case "file":
      return `group ${readable(rule.group)} of ${readable(rule.file)}`;
  }
}

function RuleItem({ rule, onEdit }: { rule: Rule; onEdit: () => void }) {
  const { may } = useSession();
  return (
    <li className={rule.enabled ? "" : "off"}>
      <SeverityTag severity={rule.severity} />
      <div className="what">
        <h2 className="break">{readable(rule.name)}</h2>
        <p className="soft break">{readable(rule.annotations["summary"] || rule.description)}</p>
        <code className="break">{readable(rule.expr)}</code>
        <p className="meta">
          <span>for {rule.for}</span>
          {rule.cooldown && <span>cooldown {rule.cooldown}</span>}
          <span className="break">{originOf(rule)}</span>
          {rule.state?.last_evaluation && (
            <span>
              evaluated <Ago at={rule.state.last_evaluation} /> in{" "}
              {show(rule.state.evaluation_seconds, "seconds")}
            </span>
          )}
          <RunbookLink url={rule.annotations[runbookUrl]}>
            Runbook<span className="hidden"> of {rule.name}</span>
          </RunbookLink>
        </p>
        {rule.state?.last_error && <p className="error-text break">{readable(rule.state.last_error)}</p>}
      </div>
      <div className="act">
        <State rule={rule} />
        {may("manage_rules") && rule.origin !== "file" && <Actions rule={rule} onEdit={onEdit} />}
      </div>
    </li>
  );
}

function State({ rule }: { rule: Rule }) {
  if (!rule.enabled) return <Tag tone="plain">Disabled</Tag>;
  const { state } = rule;
  if (!state || state.health === "unknown") return <Tag tone="plain">Not evaluated yet</Tag>;
  if (state.health === "err") return <Tag tone="high">Fails</Tag>;
  if (state.firing > 0) return <Tag tone={rule.severity}>{counted(state.firing, "alert")}</Tag>;
  if (state.pending > 0) return <Tag tone="medium">{state.pending} pending</Tag>;
  return <Tag tone="ok">Quiet</Tag>;
}

function Actions({ rule, onEdit }: { rule: Rule; onEdit: () => void }) {
  const save = useSaveRule();
  const remove = useDeleteRule();
  const failed = save.error ?? remove.error;
  return (
    <>
      <button type="button" className="button" aria-label={`Edit ${rule.name}`} onClick={onEdit}>
        Edit
      </button>
      <button
        type="button"
        className="button"
        aria-label={`${rule.enabled ? "Disable" : "Enable"} ${rule.name}`}
        disabled={save.isPending}
        onClick={() => save.mutate({ fields: { enabled: !rule.enabled }, replace: rule.name })}
      >
        {rule.enabled ? "Disable" : "Enable"}
      </button>
      {(!rule.default || rule.overridden) && (
        <button
          type="button"
          className="button danger"
          aria-label={`${rule.default ? "Restore" : "Delete"} ${rule.name}`}
          disabled={remove.isPending}
          onClick={() => {
            const question = rule.default
              ? `Bring ${rule.name} back to its default?`
              : `Delete ${rule.name}?`;
            if (window.confirm(question)) remove.mutate(rule.name);
          }}
        >
          {rule.default ? "Restore" : "Delete"}
        </button>
      )}
      {failed && (
        <p className="error-text break" role="alert">
          {failed.message}
        </p>
      )}
    </>
  );
}
