import { useRef, useState } from "react";
import { Icon } from "../components/Icon";
import { moment } from "../data/format";
import { type Bar, levels } from "../data/logs";

interface Props {
  bars: readonly Bar[];
  within: { from: number; to: number };
  onZoom: (from: number, to: number) => void;
}

const width = 1000;
const height = 64;

/** Entries by time and level. Dragging across narrows the range. */
export function Histogram({ bars, within, onZoom }: Props) {
  const [asTable, setAsTable] = useState(false);
  return (
    <div className="histogram">
      {asTable ? <Table bars={bars} /> : <Bars bars={bars} within={within} onZoom={onZoom} />}
      <button
        type="button"
        className="button icon quiet"
        aria-pressed={asTable}
        aria-label="Entries over time as a table"
        title="As a table"
        onClick={() => setAsTable(!asTable)}
      >
        <Icon name="table" />
      </button>
    </div>
  );
}

function Bars({ bars, within, onZoom }: Props) {
  const svg = useRef<SVGSVGElement>(null);
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const most = Math.max(1, ...bars.map((b) => b.total));
  const span = within.to - within.from;
  const x = (at: number) => ((Math.min(Math.max(at, within.from), within.to) - within.from) / span) * width;
  const timeAt = (event: React.PointerEvent) => {
    const box = svg.current?.getBoundingClientRect();
    if (!box) return within.from;
    return within.from + Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * span;
  };
  const finish = () => {
    if (drag && Math.abs(drag.to - drag.from) > span / 200) {
      onZoom(Math.min(drag.from, drag.to), Math.max(drag.from, drag.to));
    }
    setDrag(null);
  };
  const total = bars.reduce((n, b) => n + b.total, 0);
  return (
    <div>
      <svg
        ref={svg}
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${total} entries over time, at most ${most} in one bar`}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          const from = timeAt(event);
          setDrag({ from, to: from });
        }}
        onPointerMove={(event) => drag && setDrag({ ...drag, to: timeAt(event) })}
        onPointerUp={finish}
        onPointerCancel={() => setDrag(null)}
      >
        {bars.map((bar) => (
          <Stack
            key={bar.from}
            bar={bar}
            x={x(bar.from)}
            wide={Math.max(x(bar.to) - x(bar.from) - 1, 1)}
            most={most}
          />
        ))}
        {drag && (
          <rect
            className="selection"
            x={Math.min(x(drag.from), x(drag.to))}
            y={0}
            width={Math.abs(x(drag.to) - x(drag.from))}
            height={height}
          />
        )}
      </svg>
      <p className="ends faint">
        <span>{moment(within.from * 1000)}</span>
        <span>{moment(within.to * 1000)}</span>
      </p>
    </div>
  );
}

function Stack({ bar, x, wide, most }: { bar: Bar; x: number; wide: number; most: number }) {
  let top = height;
  const pieces = [...bar.counts].reverse().map(({ level, count }) => {
    const tall = Math.max((count / most) * height, 1);
    top -= tall;
    return <rect key={level} className={level} x={x} y={Math.max(top, 0)} width={wide} height={tall} />;
  });
  return (
    <g>
      <title>{`${moment(bar.from * 1000)}: ${bar.counts.map((c) => `${c.level} ${c.count}`).join(", ")}`}</title>
      {pieces}
    </g>
  );
}

function Table({ bars }: { bars: readonly Bar[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <section className="scroll data-table" aria-label="Entries over time, table" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">From</th>
            {levels.map((level) => (
              <th scope="col" className="number" key={level}>
                {level}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {bars.map((bar) => (
            <tr key={bar.from}>
              <td>{moment(bar.from * 1000)}</td>
              {levels.map((level) => (
                <td className="number" key={level}>
                  {bar.counts.find((c) => c.level === level)?.count ?? 0}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
