import { useQuery } from "@tanstack/react-query";
import { Ready } from "../components/Ready";
import { useAddress, useRange } from "../data/address";
import { get } from "../data/api";
import { counted } from "../data/format";
import { chosenLevels, levels, toggled } from "../data/logs";
import { useRefetch } from "../data/queries";
import { minutesBack } from "../data/range";
import { Histogram } from "./Histogram";

/** How many entries there are of each level, over time. */
export function Overall({ level }: { level: string | undefined }) {
  const [range, setRange] = useRange();
  const [, change] = useAddress();
  const hours = Math.max(1, Math.ceil(minutesBack(range, Date.now() / 1000) / 60));
  const refetchInterval = useRefetch();
  const asked = useQuery({
    queryKey: ["metrics", "log-statistics", hours],
    queryFn: ({ signal }) => get("/logs/statistics", { query: { hours }, signal }),
    refetchInterval,
    placeholderData: (before) => before,
  });
  const chosen = chosenLevels(level);
  return (
    <section className="panel logs-overall" aria-label="Entries over time">
      <Ready of={asked} what="the statistics">
        {({ data }) => (
          <>
            <fieldset className="levels">
              <legend className="hidden">Levels</legend>
              {levels.map((one) => (
                <button
                  type="button"
                  key={one}
                  className={`button quiet level ${one}`}
                  aria-pressed={level !== undefined && chosen.has(one)}
                  onClick={() => change({ level: toggled(level, one) })}
                >
                  <i aria-hidden="true" /> {one} <b>{data.by_level[one] ?? 0}</b>
                </button>
              ))}
              <span className="faint">of all loggers, last {counted(hours, "hour")}</span>
            </fieldset>
            <Histogram
              histogram={data.histogram}
              chosen={chosen}
              range={range}
              at={asked.dataUpdatedAt / 1000}
              onZoom={(from, to) => setRange({ from, to })}
            />
          </>
        )}
      </Ready>
    </section>
  );
}
