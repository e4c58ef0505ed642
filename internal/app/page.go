package app

import (
	"log/slog"
	"net/http"
	"strings"

	"llmwatch/bridge"
	"llmwatch/dashboards/web"
	"llmwatch/internal/engine"
)

// addEngine mounts what of the embedded engine's API is in the table of routes. The rest
// does not exist, whatever a later release of it brings.
func addEngine(api, otlp http.Handler, mounts map[string]http.Handler) map[string]http.Handler {
	const root = engine.Prefix + "/"
	for _, route := range bridge.Routes {
		if strings.HasPrefix(route.Path, root) {
			mounts[route.Path] = api
		}
	}
	mounts[engine.OTLPPath] = otlp
	mounts[root] = http.HandlerFunc(bridge.NotFound)

	return mounts
}

// addPage mounts the page at the root. What is below /api/ and does not exist
// is never the page's, whatever the method: it is answered as the REST API
// answers. Strangers do not learn which assets do not exist.
func (a *access) addPage(logger *slog.Logger, mounts map[string]http.Handler) map[string]http.Handler {
	page := web.Handler(bridge.GuardRest(a.door(), logger))
	mounts["/"], mounts["/assets/"] = page, page
	mounts["/api/"] = http.HandlerFunc(bridge.NotFound)

	return mounts
}
