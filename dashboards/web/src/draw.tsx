/** Draws the page. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { atOverview } from "./base";
import { client } from "./data/client";
import { activeAlertsQuery, overviewQuery } from "./data/queries";
import { sessionQuery } from "./data/session";

/** How long nothing is drawn while the first answers are awaited, in milliseconds. */
const patience = 100;

/** To draw what waits and then what was waited for takes twice as long as to draw once. */
export async function draw() {
  await Promise.race([
    Promise.all([
      client.prefetchQuery(sessionQuery),
      client.prefetchQuery(activeAlertsQuery),
      atOverview && client.prefetchQuery(overviewQuery),
    ]),
    new Promise((done) => setTimeout(done, patience)),
  ]);
  const root = document.getElementById("root");
  if (root) {
    createRoot(root).render(
      <StrictMode>
        <App />
      </StrictMode>,
    );
  }
}
