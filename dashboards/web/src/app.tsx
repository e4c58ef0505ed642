import { QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useEffect } from "react";
import { Link, Route, Router, Switch } from "wouter";
import { base } from "./base";
import { Waiting } from "./components/Ready";
import { Shell, useCurrentView, View } from "./components/Shell";
import { client } from "./data/client";
import { follow } from "./data/live";
import { SessionContext, useWho } from "./data/session";
import { Login } from "./pages/Login";
import { Overview } from "./pages/Overview";

const Alerts = lazy(() => import("./pages/Alerts"));
const Rules = lazy(() => import("./pages/Rules"));
const AlertPage = lazy(() => import("./pages/AlertPage"));
const Logs = lazy(() => import("./pages/Logs"));
const System = lazy(() => import("./pages/System"));
const Requests = lazy(() => import("./pages/Requests"));
const Application = lazy(() => import("./pages/Application"));
const Status = lazy(() => import("./pages/Status"));
const Runbook = lazy(() => import("./pages/Runbook"));

/** While the code of a view is on its way. */
function Coming() {
  const view = useCurrentView();
  return (
    <View title={view?.name ?? "llmwatch"}>
      <Waiting what="the view" />
    </View>
  );
}

function Views() {
  useEffect(() => follow({ client }), []);
  return (
    <Shell>
      <Suspense fallback={<Coming />}>
        <Switch>
          <Route path="/" component={Overview} />
          <Route path="/alerts" component={Alerts} />
          <Route path="/alerts/history" component={Alerts} />
          <Route path="/alerts/rules" component={Rules} />
          <Route path="/alerts/:id">{({ id }) => <AlertPage id={id} />}</Route>
          <Route path="/runbooks/:name?">{({ name }) => <Runbook name={name} />}</Route>
          <Route path="/logs" component={Logs} />
          <Route path="/system" component={System} />
          <Route path="/requests" component={Requests} />
          <Route path="/application" component={Application} />
          <Route path="/status" component={Status} />
          <Route>
            <View title="Not found">
              <p>
                There is no view at this address. <Link href="/">Overview</Link>
              </p>
            </View>
          </Route>
        </Switch>
      </Suspense>
    </Shell>
  );
}

function Entrance() {
  const { session, login } = useWho();
  if (login) return <Login />;
  return (
    <SessionContext value={session}>
      <Views />
    </SessionContext>
  );
}

export function App() {
  return (
    <QueryClientProvider client={client}>
      <Router base={base}>
        <Entrance />
      </Router>
    </QueryClientProvider>
  );
}
