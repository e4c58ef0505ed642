/** What people chose, kept in the address: it can be shared, and back undoes it. */
import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";
import { parseRange, type Range, rangeParams } from "./range";
import { useSetting } from "./settings";

type Changes = Record<string, string | undefined>;

/** The parameters, and a function that changes some of them; typing replaces, choosing adds to the history. */
export function useAddress() {
  const [params, setParams] = useSearchParams();
  const change = useCallback(
    (changes: Changes, { replace = false } = {}) => {
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          for (const [key, value] of Object.entries(changes)) {
            if (value === undefined || value === "") next.delete(key);
            else next.set(key, value);
          }
          return next;
        },
        { replace },
      );
    },
    [setParams],
  );
  return [params, change] as const;
}

export function useRange() {
  const [params, change] = useAddress();
  const [fallback] = useSetting("range");
  const text = params.toString();
  const range = useMemo(() => parseRange(new URLSearchParams(text), fallback), [text, fallback]);
  const setRange = useCallback((next: Range) => change(rangeParams(next)), [change]);
  return [range, setRange] as const;
}

/** The host that the machine's charts are about, "" for all. */
export function useInstance(): string {
  const [params] = useAddress();
  return params.get("instance") ?? "";
}

/** The range of an address, for links that keep it. */
export function rangeOf(params: URLSearchParams): string {
  const kept = new URLSearchParams();
  for (const key of ["range", "from", "to"]) {
    const value = params.get(key);
    if (value) kept.set(key, value);
  }
  const text = kept.toString();
  return text === "" ? "" : `?${text}`;
}
