import { Panel } from "../components/Panel";
import { explain, Ready, Waiting } from "../components/Ready";
import { Tag } from "../components/Tags";
import { useAddress } from "../data/address";
import { ApiError } from "../data/api";
import { chosen, isChanged, nameOf, type Setting, sectionsOf, useConfiguration } from "../data/configuration";
import { counted } from "../data/format";
import { useSession } from "../data/session";

/** What llmwatch was told, by whom, and what holds because nobody said otherwise. */
export function Configuration() {
  return (
    <Panel title="Configuration in force">
      <Permitted />
    </Panel>
  );
}

function Permitted() {
  const { known, role, may } = useSession();
  const asked = useConfiguration(known && may("read_configuration"));
  if (!known) return <Waiting what="the configuration" />;
  if (!may("read_configuration")) return <NotAllowed why={`Your role, ${role}, does not permit it.`} />;
  if (asked.error instanceof ApiError && asked.error.status === 403) {
    return <NotAllowed why={explain(asked.error)} />;
  }
  return (
    <Ready of={asked} what="the configuration">
      {({ data }) => <Settings of={data} />}
    </Ready>
  );
}

const NotAllowed = ({ why }: { why: string }) => (
  <div className="state">
    <strong>The configuration is shown to administrators.</strong>
    <span className="break">{why}</span>
  </div>
);

function Settings({ of }: { of: readonly Setting[] }) {
  const [params, change] = useAddress();
  const text = params.get("setting") ?? "";
  const all = params.get("settings") === "all";
  const shown = chosen(of, text, all);
  const changed = of.filter(isChanged).length;
  const waiting = of.filter((s) => s.pending !== null).length;
  return (
    <>
      <p className="soft">
        {changed} of {counted(of.length, "setting")} {changed === 1 ? "differs" : "differ"} from the default.
      </p>
      {waiting > 0 && (
        <p>
          <Tag tone="medium">Needs a restart</Tag> {counted(waiting, "setting")}{" "}
          {waiting === 1 ? "was" : "were"} changed since the start, and {waiting === 1 ? "does" : "do"} not
          hold yet.
        </p>
      )}
      <div className="filters">
        <label className="field grow">
          <span>Find a setting</span>
          <input
            type="search"
            value={text}
            placeholder="Name, value, origin or description"
            onChange={(e) => change({ setting: e.target.value }, { replace: true })}
          />
        </label>
        <button
          type="button"
          className="button"
          aria-pressed={all}
          onClick={() => change({ settings: all ? undefined : "all" })}
        >
          Show all {of.length}
        </button>
      </div>
      {shown.length === 0 && (
        <p className="state" role="status">
          {text.trim() === "" ? "Every setting has its default." : "No setting fits."}
        </p>
      )}
      {sectionsOf(shown).map(({ name, settings }) => (
        <section key={name} aria-label={`Settings of ${name}`}>
          <h3 className="break">{name}</h3>
          <ul className="settings">
            {settings.map((s) => (
              <SettingItem key={s.key} setting={s} />
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

function SettingItem({ setting: s }: { setting: Setting }) {
  return (
    <li>
      <div>
        <code className="break">{nameOf(s)}</code>
        <p className="faint break">{s.description}</p>
      </div>
      <div>
        <p>
          <Value of={s} value={s.value} />
          {isChanged(s) && (
            <>
              {" "}
              <Tag tone="low">Changed</Tag>
            </>
          )}
        </p>
        {isChanged(s) && !s.secret && (
          <p className="faint">
            default <Value of={s} value={s.default} />
          </p>
        )}
        {s.pending !== null && (
          <p>
            <Tag tone="medium">Needs a restart</Tag> then <Value of={s} value={s.pending} />
          </p>
        )}
      </div>
      <div className="faint">
        <p className="break">{s.origin === "default" ? "default" : `from ${s.origin}`}</p>
        <p>{s.reload ? "a change can be reloaded" : "a change takes a restart"}</p>
      </div>
    </li>
  );
}

function Value({ of, value }: { of: Setting; value: string }) {
  if (value === "") return <span className="faint">not set</span>;
  if (of.secret) return <span className="soft">set, and hidden</span>;
  return <code className="break">{value}</code>;
}
