/** The views, in the order of the navigation. app.tsx has their routes. */
export const views = [
  { path: "/", name: "Overview", short: "Overview", icon: "overview" },
  { path: "/alerts", name: "Alerts", short: "Alerts", icon: "alerts" },
  { path: "/logs", name: "Logs", short: "Logs", icon: "logs" },
  { path: "/system", name: "System", short: "System", icon: "system" },
  { path: "/requests", name: "API", short: "API", icon: "requests" },
  { path: "/application", name: "Application", short: "App", icon: "application" },
  { path: "/status", name: "Status", short: "Status", icon: "status" },
] as const;

export type View = (typeof views)[number];
