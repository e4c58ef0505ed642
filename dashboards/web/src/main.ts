/**
 * The entry. It is small, so that what the first view shows is asked for while the code that draws it is still on its
 * way.
 */
import { atOverview } from "./base";
import { ahead } from "./data/api";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";

ahead("/session");
ahead("/alerts");
if (atOverview) ahead("/dashboard/overview");

void import("./draw").then(({ draw }) => draw());
