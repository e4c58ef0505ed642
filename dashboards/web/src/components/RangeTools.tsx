import { useInstance, useRange } from "../data/address";
import { samplesOf } from "../data/range";
import { Exports } from "./Exports";
import { HostPicker } from "./HostPicker";
import { RangePicker } from "./RangePicker";

/** The range of a view of metrics, and its samples as a file; on the system, also the host of both. */
export function RangeTools({ kind }: { kind: "system" | "api" | "app" }) {
  const [range] = useRange();
  const instance = useInstance();
  const query = samplesOf(range, Date.now() / 1000);
  return (
    <>
      <Exports kind={kind} query={kind === "system" ? { ...query, instance } : { ...query }} />
      {kind === "system" && <HostPicker />}
      <RangePicker />
    </>
  );
}
