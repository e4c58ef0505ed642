/** The path below which this page is mounted, "" at the root: found at run time, because a proxy may add a prefix. */
export const base = new URL(document.baseURI).pathname.replace(/\/$/, "");

/** Addresses below the REST API's base. */
export const rest = (path: string) => `${base}/api/v1/monitoring${path}`;

/** Addresses below the PromQL API of the embedded engine. */
export const promql = (path: string) => `${base}/prometheus/api/v1${path}`;

/** Whether the page was opened at its overview. */
export const atOverview = location.pathname === `${base}/`;
