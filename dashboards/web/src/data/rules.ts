import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { get, type Schemas, send } from "./api";
import { useRefetch } from "./queries";

export type Rule = Schemas["Rule"];
export type Recording = Schemas["RecordingRule"];
export type RuleFields = Schemas["RuleFields"];

const key = ["alerts", "rules"];

export function useRules() {
  return useQuery({
    queryKey: key,
    queryFn: ({ signal }) => get("/rules", { signal }),
    refetchInterval: useRefetch(),
  });
}

type Labels = Readonly<Record<string, string>>;

/** The rule that an alert is of: one of its name, whose labels it has where several have the name. */
export function ruleOf<R extends { name: string; labels: Labels }>(
  rules: readonly R[],
  alert: { name: string; metadata: { labels: Labels } },
): R | undefined {
  const named = rules.filter((r) => r.name === alert.name);
  const has = (r: R) => Object.entries(r.labels).every(([k, v]) => alert.metadata.labels[k] === v);
  return named.find(has) ?? named[0];
}

/**
 * What the rule of an alert asks; null where there is no such rule, because the alert comes from elsewhere, and
 * undefined until that is known.
 */
export function useExpression(alert: Schemas["Alert"]): string | null | undefined {
  const { data, isPending } = useRules();
  if (isPending) return undefined;
  return ruleOf(data?.data ?? [], alert)?.expr ?? null;
}

/** Adds a rule, or replaces the one that has the name. */
export function useSaveRule() {
  const client = useQueryClient();
  return useMutation<unknown, Error, { fields: RuleFields; replace: string | undefined }>({
    mutationFn: ({ fields, replace }) =>
      replace === undefined
        ? send("post", "/rules", { body: fields })
        : send("put", "/rules/{name}", { parts: { name: replace }, body: fields }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["alerts"] }),
  });
}

export function useDeleteRule() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => send("delete", "/rules/{name}", { parts: { name } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["alerts"] }),
  });
}
