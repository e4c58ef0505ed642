import { rest } from "../base";
import { type Query, withQuery } from "../data/api";
import { Icon } from "./Icon";

interface Props {
  kind: "system" | "api" | "app" | "alerts" | "logs";
  query: Query;
}

/** What is on the screen, as a file. */
export function Exports({ kind, query }: Props) {
  return (
    <details className="menu">
      <summary className="button">
        <Icon name="export" /> Export
      </summary>
      <div>
        {["csv", "json"].map((format) => (
          <a
            key={format}
            className="button quiet"
            download=""
            href={withQuery(rest(`/export/${kind}`), { ...query, format })}
          >
            {format.toUpperCase()}
          </a>
        ))}
      </div>
    </details>
  );
}
