package bridge

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Need is what a route asks of its callers: a permission, or one of the first
// three.
type Need string

// The needs.
const (
	NeedNothing Need = "nothing" // Anybody may, without credentials.
	NeedCaller  Need = "caller"  // Whoever is let in may.
	// NeedPage is of the web page: its first document is what shows the login,
	// every other path needs a caller.
	NeedPage Need = "page"

	NeedRead        Need = "read_metrics"
	NeedAcknowledge Need = "acknowledge_alerts"
	NeedManage      Need = "manage_rules"
	NeedIngest      Need = "ingest_data"
	NeedScrape      Need = "scrape_metrics"

	NeedConfiguration Need = "read_configuration"
)

// Route is a path template and what its methods need. A path that ends with a
// slash stands for everything below it.
type Route struct {
	Path    string
	Methods map[string]Need
}

// Routes is the one table of who may do what. What is not in it is not served:
// New panics. docs/security.md shows it with the roles.
var Routes = append([]Route{
	{Base + "/health", get(NeedNothing)},
	{Base + "/login", post(NeedNothing)},
	{Base + "/logout", post(NeedCaller)},
	{Base + "/session", get(NeedCaller)},
	{Base + "/openapi.yaml", get(NeedCaller)},

	{Base + "/status", get(NeedRead)},
	{Base + "/configuration", get(NeedConfiguration)},
	{Base + "/metrics/system", get(NeedRead)},
	{Base + "/metrics/api", both(NeedRead, NeedIngest)},
	{Base + "/metrics/app", both(NeedRead, NeedIngest)},
	{Base + "/metrics/summary", get(NeedRead)},
	{Base + "/dashboard/overview", get(NeedRead)},
	{Base + "/events", get(NeedRead)},
	{Base + "/export/system", get(NeedRead)},
	{Base + "/export/api", get(NeedRead)},
	{Base + "/export/app", get(NeedRead)},
	{Base + "/export/alerts", get(NeedRead)},

	{Base + "/logs", post(NeedIngest)},
	{Base + "/logs/search", get(NeedRead)},
	{Base + "/logs/context", get(NeedRead)},
	{Base + "/logs/statistics", get(NeedRead)},
	{Base + "/logs/tail", get(NeedRead)},
	{Base + "/export/logs", get(NeedRead)},

	{Base + "/alerts", get(NeedRead)},
	{Base + "/alerts/history", get(NeedRead)},
	{Base + "/alerts/{id}", get(NeedRead)},
	{Base + "/alerts/{id}/acknowledge", post(NeedAcknowledge)},
	{Base + "/alerts/{id}/close", post(NeedAcknowledge)},
	{Base + "/rules", both(NeedRead, NeedManage)},
	{Base + "/rules/{name}", changed(NeedRead, NeedManage)},
	{Base + "/runbooks", get(NeedRead)},
	{Base + "/runbooks/{name}", get(NeedRead)},
	{Base + "/notifications/test", post(NeedManage)},
	{Base + "/webhooks/alertmanager", post(NeedIngest)},
	{v2Alerts, both(NeedRead, NeedIngest)},
	{v2Status, get(NeedRead)},

	{HealthyPath, get(NeedNothing)},
	{ReadyPath, get(NeedNothing)},
	{"/-/reload", post(NeedManage)},
	{"/metrics", get(NeedScrape)},
	{"/", get(NeedPage)},
	{"/assets/", get(NeedNothing)}, // The page's code, which also shows the login.
	{"/api/", every(NeedCaller)},   // What does not exist there.
}, engineRoutes()...)

// engineRoutes is the part of the embedded engine's API that is served. What a later
// release of it adds is not, until it stands here. Who may read metrics sees what was
// measured; how it is measured, which addresses, headers and parameters may tell secrets
// of, is part of the configuration.
func engineRoutes() []Route {
	const api = "/prometheus/api/v1"
	routes := []Route{
		{"/prometheus/metrics", get(NeedScrape)},
		{api + "/write", post(NeedIngest)},
		{api + "/otlp/v1/metrics", post(NeedIngest)},
		{api + "/read", post(NeedRead)},
	}
	for _, path := range []string{
		"/query", "/query_range", "/query_exemplars", "/format_query", "/parse_query", "/series", "/labels",
		"/search/metric_names", "/search/label_names", "/search/label_values",
	} {
		routes = append(routes, Route{api + path, both(NeedRead, NeedRead)})
	}
	for _, path := range []string{
		"/label/{name}/values", "/metadata", "/rules", "/alerts", "/features", "/openapi.yaml",
		"/status/buildinfo", "/status/tsdb", "/status/tsdb/blocks", "/status/walreplay", "/status/self_metrics",
	} {
		routes = append(routes, Route{api + path, get(NeedRead)})
	}
	for _, path := range []string{
		"/targets", "/targets/metadata", "/targets/relabel_steps", "/scrape_pools", "/scrape_pools/config", "/alertmanagers",
		"/status/config", "/status/flags", "/status/runtimeinfo", "/notifications",
	} {
		routes = append(routes, Route{api + path, get(NeedConfiguration)})
	}

	return append(routes, Route{"/prometheus/", every(NeedCaller)}) // What does not exist there.
}

func get(need Need) map[string]Need { return both(need, "") }

func post(need Need) map[string]Need { return both("", need) }

// both are the methods of a path that is read and posted to. Who may GET may
// HEAD.
func both(read, write Need) map[string]Need {
	methods := map[string]Need{http.MethodGet: read, http.MethodHead: read, http.MethodPost: write}
	maps.DeleteFunc(methods, func(_ string, need Need) bool { return need == "" })

	return methods
}

// changed are the methods of a path that is read, replaced and deleted.
func changed(read, write Need) map[string]Need {
	return map[string]Need{
		http.MethodGet: read, http.MethodHead: read, http.MethodPut: write, http.MethodDelete: write,
	}
}

// every are all methods.
func every(need Need) map[string]Need {
	methods := both(need, need)
	for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		methods[method] = need
	}

	return methods
}

// methodsOf returns a route's line of the table.
func methodsOf(routes []Route, path string) map[string]Need {
	i := slices.IndexFunc(routes, func(r Route) bool { return r.Path == path })
	if i < 0 {
		panic(fmt.Sprintf("the route %s is not in the table of bridge/routes.go, which says who may use it", path))
	}

	return routes[i].Methods
}

// below are the routes of the table that a mount serves: itself, and those that
// need something else than the rest of what is below it.
func below(routes []Route, mount string) []string {
	paths := []string{mount}
	for _, r := range routes {
		if mount != "/" && strings.HasSuffix(mount, "/") && r.Path != mount && strings.HasPrefix(r.Path, mount) {
			paths = append(paths, r.Path)
		}
	}

	return paths
}
