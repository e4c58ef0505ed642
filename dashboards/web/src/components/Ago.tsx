import { useSyncExternalStore } from "react";
import { ago, moment } from "../data/format";

/** One clock for the page, so that all ages change together. */
let now = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void) {
  listeners.add(listener);
  now = Date.now();
  timer ??= setInterval(() => {
    now = Date.now();
    for (const one of listeners) one();
  }, 5000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

export const useNow = () => useSyncExternalStore(subscribe, () => now);

/** How long ago, with the exact moment on hover. */
export function Ago({ at }: { at: string | number }) {
  const current = useNow();
  const iso = new Date(at).toISOString();
  return (
    <time dateTime={iso} title={`${moment(at)} (${iso})`}>
      {ago(at, Math.max(current, new Date(at).getTime()))}
    </time>
  );
}

/** The moment itself, local, with the exact one on hover. */
export function Moment({ at }: { at: string | number }) {
  const iso = new Date(at).toISOString();
  return (
    <time dateTime={iso} title={iso}>
      {moment(at)}
    </time>
  );
}
