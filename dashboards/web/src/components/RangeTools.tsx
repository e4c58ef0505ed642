import { useRange } from "../data/address";
import { minutesBack } from "../data/range";
import { Exports } from "./Exports";
import { RangePicker } from "./RangePicker";

/** The range of a view of metrics, and its samples as a file: from the beginning of the range to now. */
export function RangeTools({ kind }: { kind: "system" | "api" | "app" }) {
  const [range] = useRange();
  return (
    <>
      <Exports kind={kind} query={{ minutes: minutesBack(range, Date.now() / 1000) }} />
      <RangePicker />
    </>
  );
}
