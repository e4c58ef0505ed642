import { useEffect } from "react";
import { Link, useLocation } from "wouter";
import { rangeOf, useAddress } from "../data/address";
import { useActiveAlerts } from "../data/queries";
import { views } from "../views";
import { Boundary } from "./Boundary";
import { Connection, OfflineBanner } from "./Connection";
import { Icon } from "./Icon";
import { Session } from "./Session";
import { severityOrder } from "./Tags";

/** Navigation around every view. */
export function Shell({ children }: { children: React.ReactNode }) {
  const [location] = useLocation();
  return (
    <div className="shell">
      <a className="button skip" href="#view">
        Skip to content
      </a>
      <Rail />
      <div>
        <OfflineBanner />
        <Boundary of={location}>{children}</Boundary>
      </div>
    </div>
  );
}

/** Runbooks belong to the alerts that they are about. */
const isAt = (location: string, path: string) =>
  path === "/"
    ? location === "/"
    : location.startsWith(path) || (path === "/alerts" && location.startsWith("/runbooks"));

/** The view at the current address. */
export function useCurrentView() {
  const [location] = useLocation();
  return views.find((v) => isAt(location, v.path));
}

function Rail() {
  const view = useCurrentView();
  const [location] = useLocation();
  const [params] = useAddress();
  const waiting = useActiveAlerts().data?.data.filter((a) => a.status !== "acknowledged") ?? [];
  const worst = severityOrder.find((s) => waiting.some((a) => a.severity === s));
  const count = waiting.length;
  useEffect(() => {
    document.title = `${count > 0 ? `(${count}) ` : ""}${view?.name ?? "llmwatch"} · llmwatch`;
  }, [count, view]);
  return (
    <nav className="rail" aria-label="Views">
      <div className="brand">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <path
            d="M3 18h7l3-10 5 16 3.5-10 1.5 4h6"
            fill="none"
            stroke="var(--accent)"
            strokeWidth="3"
            strokeLinecap="round"
            strokeLinejoin="round"
          />
        </svg>
        llmwatch
      </div>
      <ul>
        {views.map((view) => (
          <li key={view.path}>
            <Link
              href={view.path + rangeOf(params)}
              aria-current={isAt(location, view.path) ? "page" : undefined}
            >
              <Icon name={view.icon} />
              <span className="long">{view.name}</span>
              <span className="short">{view.short}</span>
              {view.path === "/alerts" && count > 0 && (
                <span className={`badge ${worst}`}>
                  {count}
                  <span className="hidden"> unacknowledged</span>
                </span>
              )}
            </Link>
          </li>
        ))}
      </ul>
      <Session />
    </nav>
  );
}

/** The head of a view, with what acts on all of it. */
export function View({
  title,
  tools,
  children,
}: {
  title: React.ReactNode;
  tools?: React.ReactNode;
  children: React.ReactNode;
}) {
  return (
    <>
      <header className="top">
        <h1>{title}</h1>
        <Connection />
        {tools && <div className="tools">{tools}</div>}
      </header>
      <main className="view" id="view" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}
