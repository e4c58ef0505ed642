import { useEffect, useState } from "react";
import { ExpressionChart } from "../charts/ExpressionChart";
import { usePromServed } from "../data/queries";
import { type Rule, type RuleFields, useSaveRule } from "../data/rules";
import { explain } from "./Ready";
import { Sheet } from "./Sheet";
import { severityOrder } from "./Tags";

/** The preview waits this long for the next letter. */
const pause = 500;
const hour = 3600;

/** Adds a rule or changes one. What the expression was in the last hour is shown while it is typed. */
export function RuleForm({ rule, onClose }: { rule?: Rule; onClose: () => void }) {
  const save = useSaveRule();
  const [fields, setFields] = useState(() => ({
    name: rule?.name ?? "",
    description: rule?.description ?? "",
    severity: rule?.severity ?? ("high" as const),
    expr: rule?.expr ?? "",
    for: rule?.for ?? "5m",
    cooldown: rule?.cooldown ?? "",
  }));
  const set = (change: Partial<typeof fields>) => setFields({ ...fields, ...change });
  const title = rule ? `Change ${rule.name}` : "New rule";
  return (
    <Sheet title={title} onClose={onClose} wide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate({ fields: bodyOf(fields, rule), replace: rule?.name }, { onSuccess: onClose });
        }}
      >
        <h2>{title}</h2>
        {!rule && (
          <Text
            label="Name"
            value={fields.name}
            onChange={(name) => set({ name })}
            required
            pattern="[a-zA-Z_][a-zA-Z0-9_.\-]*"
            hint="Letters, digits, _ . -"
          />
        )}
        <label className="field">
          <span>Description</span>
          <textarea
            rows={2}
            value={fields.description}
            onChange={(e) => set({ description: e.target.value })}
          />
          <small>{"{{ $value }} and {{ $labels.NAME }} are filled in"}</small>
        </label>
        <label className="field">
          <span>Expression (PromQL)</span>
          <textarea
            required
            rows={4}
            className="mono"
            spellCheck="false"
            value={fields.expr}
            onChange={(e) => set({ expr: e.target.value })}
          />
        </label>
        <Preview expr={fields.expr} />
        <div className="row">
          <label className="field">
            <span>Severity</span>
            <select
              value={fields.severity}
              onChange={(e) => {
                const severity = severityOrder.find((s) => s === e.target.value);
                if (severity) set({ severity });
              }}
            >
              {severityOrder.map((s) => (
                <option key={s}>{s}</option>
              ))}
            </select>
          </label>
          <Text label="For" value={fields.for} onChange={(value) => set({ for: value })} hint="such as 5m" />
          <Text
            label="Cooldown"
            value={fields.cooldown}
            onChange={(cooldown) => set({ cooldown })}
            hint="the general one if empty"
          />
        </div>
        {save.error && (
          <p className="error-text break" role="alert">
            {explain(save.error)}
          </p>
        )}
        <div className="buttons">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={save.isPending}>
            {save.isPending ? "Saving…" : "Save"}
          </button>
        </div>
      </form>
    </Sheet>
  );
}

function bodyOf(fields: { name: string; cooldown: string } & RuleFields, rule: Rule | undefined): RuleFields {
  const { name, cooldown, ...rest } = fields;
  return { ...rest, ...(cooldown ? { cooldown } : {}), ...(rule ? {} : { name }) };
}

interface TextProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  required?: boolean;
  pattern?: string;
  hint?: string;
}

function Text({ label, value, onChange, required = false, pattern, hint }: TextProps) {
  return (
    <label className="field">
      <span>{label}</span>
      <input value={value} required={required} pattern={pattern} onChange={(e) => onChange(e.target.value)} />
      {hint && <small>{hint}</small>}
    </label>
  );
}

function Preview({ expr }: { expr: string }) {
  const { served } = usePromServed();
  const [asked, setAsked] = useState({ expr, to: Date.now() / 1000 });
  useEffect(() => {
    const timer = setTimeout(() => setAsked({ expr, to: Date.now() / 1000 }), pause);
    return () => clearTimeout(timer);
  }, [expr]);
  if (served === false)
    return (
      <p className="soft">There is no preview: the expression is evaluated by an external Prometheus.</p>
    );
  if (!served || asked.expr.trim() === "") return null;
  return (
    <section className="preview" aria-label="Preview, last hour">
      <ExpressionChart
        key={asked.expr}
        label="Preview"
        expr={asked.expr}
        from={asked.to - hour}
        to={asked.to}
        marks={none}
      />
    </section>
  );
}

const none: never[] = [];
