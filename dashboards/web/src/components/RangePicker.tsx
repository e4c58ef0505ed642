import { useState } from "react";
import { useRange } from "../data/address";
import { moment } from "../data/format";
import { bounds, isPreset, type Preset, presetName, presets, shift } from "../data/range";
import { useSetting } from "../data/settings";
import { Icon } from "./Icon";
import { Sheet } from "./Sheet";

const long: Record<Preset, string> = {
  "15m": "15 minutes",
  "1h": "1 hour",
  "3h": "3 hours",
  "6h": "6 hours",
  "12h": "12 hours",
  "24h": "24 hours",
  "7d": "7 days",
  "30d": "30 days",
};

/** Chooses the time range of the view. */
export function RangePicker() {
  const [range, setRange] = useRange();
  const [open, setOpen] = useState(false);
  const now = () => Date.now() / 1000;
  const name = "last" in range ? presetName(range.last) : undefined;
  const move = (direction: -1 | 1) => setRange(shift(range, direction, now()));
  const widen = () => {
    const { from, to } = bounds(range, now());
    const span = Math.min(to - from, 15 * 86_400);
    const end = Math.min(to + span / 2, now());
    setRange({ from: end - 2 * span, to: end });
  };
  return (
    <fieldset className="range">
      <legend className="hidden">Time range</legend>
      <button type="button" className="button icon quiet" aria-label="Earlier" onClick={() => move(-1)}>
        <Icon name="back" />
      </button>
      <select
        className="button"
        aria-label="Time range"
        value={name ?? "custom"}
        onChange={(event) => {
          const { value } = event.target;
          if (isPreset(value)) setRange({ last: presets[value] });
          else setOpen(true);
        }}
      >
        {(Object.keys(presets) as Preset[]).map((preset) => (
          <option key={preset} value={preset}>
            Last {long[preset]}
          </option>
        ))}
        {"from" in range && (
          <option value="custom">
            {moment(range.from * 1000)} – {moment(range.to * 1000)}
          </option>
        )}
        <option value="choose">Custom…</option>
      </select>
      <button
        type="button"
        className="button icon quiet"
        aria-label="Later"
        disabled={"last" in range}
        onClick={() => move(1)}
      >
        <Icon name="forward" />
      </button>
      <button type="button" className="button icon quiet" aria-label="Zoom out" onClick={widen}>
        <Icon name="out" />
      </button>
      {open && <Custom onClose={() => setOpen(false)} />}
    </fieldset>
  );
}

/** The form that inputs of type datetime-local take, in local time. */
function local(seconds: number): string {
  const d = new Date(seconds * 1000);
  return new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function Custom({ onClose }: { onClose: () => void }) {
  const [range, setRange] = useRange();
  const [fallback, setFallback] = useSetting("range");
  const start = bounds(range, Date.now() / 1000);
  const [from, setFrom] = useState(local(start.from));
  const [to, setTo] = useState(local(start.to));
  const a = new Date(from).getTime() / 1000;
  const b = new Date(to).getTime() / 1000;
  const problem = !(a < b)
    ? "The beginning must lie before the end."
    : a >= Date.now() / 1000
      ? "The beginning must lie before now."
      : b - a > presets["30d"]
        ? "At most 30 days can be shown."
        : "";
  return (
    <Sheet title="Time range" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (problem) return;
          setRange({ from: a, to: b });
          onClose();
        }}
      >
        <h2>Time range</h2>
        <label className="field">
          <span>From</span>
          <input
            type="datetime-local"
            step="1"
            required
            value={from}
            onChange={(e) => setFrom(e.target.value)}
          />
        </label>
        <label className="field">
          <span>To</span>
          <input type="datetime-local" step="1" required value={to} onChange={(e) => setTo(e.target.value)} />
        </label>
        <p className="error-text" role="status">
          {problem}
        </p>
        <label className="field">
          <span>When the page is opened, show the last</span>
          <select value={fallback} onChange={(e) => isPreset(e.target.value) && setFallback(e.target.value)}>
            {(Object.keys(presets) as Preset[]).map((preset) => (
              <option key={preset} value={preset}>
                {long[preset]}
              </option>
            ))}
          </select>
        </label>
        <div className="buttons">
          <button type="button" className="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" className="button primary" disabled={problem !== ""}>
            Show
          </button>
        </div>
      </form>
    </Sheet>
  );
}
