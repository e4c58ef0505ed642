import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { client } from "./data/client";
import { activeAlertsQuery, overviewQuery } from "./data/queries";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";

// What the first view needs is asked for before anything is drawn.
void client.prefetchQuery(activeAlertsQuery);
void client.prefetchQuery(overviewQuery);

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
