import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { get, type Schemas, send } from "./api";
import { useRefetch } from "./queries";

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
export function useRule(name: string) {
  const { data, isPending } = useRules();
  return { rule: data?.data.find((r) => r.name === name), isPending };
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
