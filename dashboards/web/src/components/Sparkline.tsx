import type { Value } from "../data/columns";

interface Props {
  values: readonly Value[];
  /** The value at the upper edge, the largest one where there is none. */
  most?: number | undefined;
  limit?: number | undefined;
}

const width = 200;
const height = 44;

/** A small line without axes; the numbers beside it say the same in words. */
export function Sparkline({ values, most, limit }: Props) {
  const top = most ?? Math.max(1e-9, ...values.map((v) => v ?? 0), limit ?? 0) * 1.1;
  const y = (value: number) => height - (Math.min(value, top) / top) * height;
  const pieces = linesOf(values, y);
  return (
    <svg
      className="spark"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      focusable="false"
    >
      {pieces.map((piece) => (
        <g key={piece.from}>
          <path className="area" d={`${piece.path}V${height}H${piece.from}Z`} />
          <path className="line" d={piece.path} />
        </g>
      ))}
      {limit !== undefined && limit <= top && <path className="limit" d={`M0 ${y(limit)}H${width}`} />}
    </svg>
  );
}

function linesOf(values: readonly Value[], y: (value: number) => number) {
  const pieces: { from: number; path: string }[] = [];
  const scale = width / Math.max(1, values.length - 1);
  let path = "";
  let from = 0;
  const end = () => {
    if (path !== "") pieces.push({ from, path });
    path = "";
  };
  for (const [i, value] of values.entries()) {
    if (value === null) {
      end();
      continue;
    }
    const x = Number((i * scale).toFixed(1));
    if (path === "") from = x;
    path += `${path === "" ? "M" : "L"}${x} ${y(value).toFixed(1)}`;
  }
  end();
  return pieces;
}
