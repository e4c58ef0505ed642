/** What to do about alerts. They are part of llmwatch and change with it only. */
import { useQuery } from "@tanstack/react-query";
import { get } from "./api";

const staleTime = Number.POSITIVE_INFINITY;

export function useRunbooks() {
  return useQuery({
    queryKey: ["runbooks"],
    queryFn: ({ signal }) => get("/runbooks", { signal }),
    staleTime,
  });
}

export function useRunbook(name: string) {
  return useQuery({
    queryKey: ["runbooks", name],
    queryFn: ({ signal }) => get("/runbooks/{name}", { parts: { name }, signal }),
    staleTime,
  });
}

/** The annotation in which a rule names its runbook. */
export const runbookUrl = "runbook_url";

/** The view that shows a runbook. */
export const runbookPath = (name: string) => `/runbooks/${encodeURIComponent(name)}`;

export type Address = { view: string } | { url: string };

/** Where a rule's runbook is read: on this page if it is one of llmwatch's own, which are named by their path. */
export function runbookAddress(url: string | undefined, own: readonly string[]): Address | undefined {
  if (url === undefined) return undefined;
  if (/^https?:\/\//.test(url)) return { url };
  const name = /^docs\/runbooks\/(.+)\.md$/.exec(url)?.[1];
  return name !== undefined && own.includes(name) ? { view: runbookPath(name) } : undefined;
}
