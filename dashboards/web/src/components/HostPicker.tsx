import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { everySample } from "../charts/usePanel";
import { useAddress, useInstance, useRange } from "../data/address";
import { query } from "../data/api";
import { usePromServed, useSystem } from "../data/queries";
import { bounds, lengthOf, type Range } from "../data/range";

/** Chooses one of several hosts. Where there is one alone, there is nothing to choose. */
export function HostPicker() {
  const [range] = useRange();
  const [, change] = useAddress();
  const instance = useInstance();
  const found = useInstances(range, instance);
  if (found.length < 2 && instance === "") return null;
  return (
    <select
      className="button host"
      aria-label="Host"
      value={instance}
      onChange={(e) => change({ instance: e.target.value })}
    >
      <option value="">All hosts</option>
      {found.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
      {instance !== "" && !found.includes(instance) && <option value={instance}>{instance}</option>}
    </select>
  );
}

/** The hosts with samples in the range: told with the samples where the charts read them, else asked for. */
function useInstances(range: Range, instance: string): string[] {
  const { served } = usePromServed();
  const fromProm = served === true && lengthOf(range) > everySample;
  const system = useSystem(range, instance, served !== undefined && !fromProm);
  const prom = useQuery({
    queryKey: ["instances", range],
    queryFn: async ({ signal }) => {
      const { to } = bounds(range, Date.now() / 1000);
      const series = await query(
        "query",
        {
          query: `group by (instance) (present_over_time(llmwatch:cpu_percent[${Math.round(lengthOf(range))}s]))`,
          time: String(to),
        },
        signal,
      );
      return series.map((s) => s.metric["instance"] ?? "").sort();
    },
    staleTime: 60_000,
    enabled: fromProm,
  });
  // While the samples of another host are awaited, the hosts are still the same.
  const [known, setKnown] = useState<string[]>([]);
  const told = (fromProm ? prom.data : system.data?.instances) ?? known;
  if (told !== known) setKnown(told);
  return told;
}
