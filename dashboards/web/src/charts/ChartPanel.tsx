import { useMemo, useState } from "react";
import { Icon } from "../components/Icon";
import { Panel as Box } from "../components/Panel";
import { Ready } from "../components/Ready";
import { useInstance, useRange } from "../data/address";
import { moment, show } from "../data/format";
import { useAlertHistory, usePromServed } from "../data/queries";
import { useSetting } from "../data/settings";
import { Chart } from "./Chart";
import { marksOf, ofHost } from "./marks";
import type { Panel } from "./panels";
import { type Drawn, usePanel } from "./usePanel";

/** A chart with its frame: pin it, read it as a table, zoom the whole view with it. */
export function ChartPanel({ panel }: { panel: Panel }) {
  const [range, setRange] = useRange();
  const chosen = useInstance();
  const instance = panel.source === "system" ? chosen : "";
  const asked = usePanel(panel, range, instance);
  const [asTable, setAsTable] = useState(false);
  const marks = useMarks(panel.threshold?.rule, instance);
  const { served } = usePromServed();
  if (served === false && panel.series.every((s) => !s.rest)) return null;
  return (
    <Box
      title={panel.title}
      more={
        <>
          <span className="faint help">{panel.help}</span>
          <button
            type="button"
            className="button icon quiet"
            aria-pressed={asTable}
            aria-label={`${panel.title} as a table`}
            title="As a table"
            onClick={() => setAsTable(!asTable)}
          >
            <Icon name="table" />
          </button>
          <PinButton panel={panel} />
        </>
      }
    >
      <Ready
        of={asked}
        what={panel.title.toLowerCase()}
        empty={(d) => (d.columns.values.every((c) => c.every((v) => v === null)) ? <Nothing /> : undefined)}
      >
        {(drawn) =>
          asTable ? (
            <Table panel={panel} drawn={drawn} />
          ) : (
            <Chart
              label={panel.title}
              drawn={drawn}
              unit={panel.unit}
              most={panel.most}
              threshold={panel.threshold?.at}
              marks={marks}
              onZoom={(from, to) => setRange({ from, to })}
            />
          )
        }
      </Ready>
    </Box>
  );
}

const Nothing = () => <span>No data in this range.</span>;

/** How far back an alert may have fired that still lasts. */
const before = "-30d";

function useMarks(rule: string | undefined, instance: string) {
  const { data, dataUpdatedAt } = useAlertHistory({ since: before, limit: 500 });
  return useMemo(
    () => marksOf(ofHost(data?.data ?? [], instance), rule, dataUpdatedAt / 1000),
    [data, dataUpdatedAt, rule, instance],
  );
}

function PinButton({ panel }: { panel: Panel }) {
  const [pinned, setPinned] = useSetting("pinned");
  const is = pinned.includes(panel.id);
  return (
    <button
      type="button"
      className="button icon quiet"
      aria-pressed={is}
      aria-label={`Pin ${panel.title} to the overview`}
      title={is ? "Pinned to the overview" : "Pin to the overview"}
      onClick={() => setPinned(is ? pinned.filter((id) => id !== panel.id) : [...pinned, panel.id])}
    >
      <Icon name="pin" />
    </button>
  );
}

/** Rows of a table at most; the export has them all. */
const rowsShown = 500;

function Table({ panel, drawn }: { panel: Panel; drawn: Drawn }) {
  const { times, values } = drawn.columns;
  const rows = times.map((at, i) => ({ at, i })).reverse();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <section className="scroll data-table" aria-label={`${panel.title}, table`} tabIndex={0}>
      <table>
        <caption className="hidden">{panel.title}, the newest first</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {drawn.series.map((s) => (
              <th scope="col" className="number" key={s.label}>
                {s.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, rowsShown).map(({ at, i }) => (
            <tr key={at}>
              <td>{moment(at * 1000)}</td>
              {values.map((column, s) => (
                <td className="number" key={drawn.series[s]?.label}>
                  {show(column[i], panel.unit)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > rowsShown && (
        <p className="faint">
          The newest {rowsShown} of {rows.length}.
        </p>
      )}
    </section>
  );
}
