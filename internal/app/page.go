package app

import (
	"log/slog"
	"net/http"

	"llmwatch/bridge"
	"llmwatch/dashboards/web"
)

// addPage mounts the page at the root. What is below /api/ and does not exist
// is never the page's, whatever the method: it is answered as the REST API
// answers. Strangers do not learn which assets do not exist.
func (a *access) addPage(logger *slog.Logger, mounts map[string]http.Handler) map[string]http.Handler {
	page := web.Handler(bridge.GuardRest(a.door(), logger))
	mounts["/"], mounts["/assets/"] = page, page
	mounts["/api/"] = http.HandlerFunc(bridge.NotFound)

	return mounts
}
