/** What this browser remembers: the default range, pinned charts, and who acknowledges. */
import { useCallback, useSyncExternalStore } from "react";
import { isPreset, type Preset } from "./range";

interface Settings {
  range: Preset;
  pinned: string[];
  name: string;
}

const key = "llmwatch";
const defaults: Settings = { range: "1h", pinned: [], name: "" };

/** Reads what was stored, by whatever version of the page; what does not fit is the default. */
export function readSettings(text: string | null): Settings {
  try {
    const stored = JSON.parse(text ?? "{}") as Partial<Record<keyof Settings, unknown>>;
    return {
      range: typeof stored.range === "string" && isPreset(stored.range) ? stored.range : defaults.range,
      pinned: Array.isArray(stored.pinned)
        ? stored.pinned.filter((id): id is string => typeof id === "string")
        : [],
      name: typeof stored.name === "string" ? stored.name : "",
    };
  } catch {
    return defaults;
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // Storage may be switched off.
  }
}

let settings = readSettings(stored());
const listeners = new Set<() => void>();

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

export function useSetting<K extends keyof Settings>(name: K) {
  const value = useSyncExternalStore(subscribe, () => settings[name]);
  const set = useCallback(
    (next: Settings[K]) => {
      settings = { ...settings, [name]: next };
      try {
        localStorage.setItem(key, JSON.stringify(settings));
      } catch {
        // It is remembered until the page is left.
      }
      for (const listener of listeners) listener();
    },
    [name],
  );
  return [value, set] as const;
}
