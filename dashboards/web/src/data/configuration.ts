/** The configuration in force. */
import { useQuery } from "@tanstack/react-query";
import { get, type Schemas } from "./api";
import { useRefetch } from "./queries";

export type Setting = Schemas["Setting"];

export interface Section {
  name: string;
  settings: Setting[];
}

export function useConfiguration(enabled: boolean) {
  return useQuery({
    queryKey: ["status", "configuration"],
    queryFn: ({ signal }) => get("/configuration", { signal }),
    refetchInterval: useRefetch(),
    enabled,
  });
}

/** Whether something else holds than if nothing was said. */
export const isChanged = (s: Setting) => s.value !== s.default;

/** What a search for some text finds; without a text, everything or what somebody has changed. */
export function chosen(settings: readonly Setting[], text: string, all: boolean): Setting[] {
  const wanted = text.toLowerCase().split(/\s+/);
  if (text.trim() === "") return settings.filter((s) => all || isChanged(s) || s.pending !== null);
  return settings.filter((s) => {
    const whole = `${s.key} ${s.value} ${s.origin} ${s.description}`.toLowerCase();
    return wanted.every((word) => whole.includes(word));
  });
}

/** The settings below the sections of the file, in its order. */
export function sectionsOf(settings: readonly Setting[]): Section[] {
  const sections = new Map<string, Setting[]>();
  for (const s of settings) {
    const name = s.key.slice(0, Math.max(0, s.key.lastIndexOf(".")));
    const section = sections.get(name);
    if (section) section.push(s);
    else sections.set(name, [s]);
  }
  return [...sections].map(([name, settings]) => ({ name, settings }));
}

/** A setting's name in its section. */
export const nameOf = (s: Setting) => s.key.slice(s.key.lastIndexOf(".") + 1);
