import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { evaluatedRule, get, type Schemas, send } from "./api";
import { usePromServed, useRefetch } from "./queries";

export type Rule = Schemas["Rule"];
export type RuleFields = Schemas["RuleFields"];

const key = ["alerts", "rules"];

export function useRules() {
  return useQuery({
    queryKey: key,
    queryFn: ({ signal }) => get("/rules", { signal }),
    refetchInterval: useRefetch(),
  });
}

/** The rule of that name, if one is kept here: an alert may come from elsewhere. */
function useRule(name: string) {
  const { data, isPending } = useRules();
  return { rule: data?.data.find((r) => r.name === name), isPending };
}

/**
 * What the rule of that name asks, be it kept here or in a rule file that only the engine knows; null where there is
 * no such rule, because the alert comes from elsewhere, and undefined until that is known.
 */
export function useExpression(name: string): string | null | undefined {
  const { rule, isPending } = useRule(name);
  const { served } = usePromServed();
  const { data, isError } = useQuery({
    queryKey: ["engine", "rule", name],
    queryFn: ({ signal }) => evaluatedRule(name, signal),
    enabled: !isPending && !rule && served === true,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (rule) return rule.expr;
  return served === false || isError ? null : data;
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
