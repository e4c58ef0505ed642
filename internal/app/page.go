package app

import (
	"net/http"

	"llmwatch/bridge"
	"llmwatch/dashboards/web"
)

// addPage mounts the page at the root. What is below /api/ and does not exist
// is never the page's, whatever the method: it is answered as the REST API
// answers.
func addPage(mounts map[string]http.Handler) map[string]http.Handler {
	page := web.Handler(http.HandlerFunc(bridge.NotFound))
	mounts["/"], mounts["/assets/"] = page, page
	mounts["/api/"] = http.HandlerFunc(bridge.NotFound)

	return mounts
}
