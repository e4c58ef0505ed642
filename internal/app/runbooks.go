package app

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"llmwatch/bridge/alert"
	"llmwatch/docs/runbooks"
)

// runbookURL is the annotation in which a rule names its runbook.
const runbookURL = "runbook_url"

// runbookLink is where the page shows a runbook that a rule names by its path in
// the repository, as default rules do. It is empty for everything else, and for
// runbooks that are not in the binary.
func runbookLink(externalURL, path string) string {
	file, inFolder := strings.CutPrefix(path, "docs/runbooks/")
	name, isPage := strings.CutSuffix(file, ".md")
	if _, err := fs.Stat(runbooks.Files, file); !inFolder || !isPage || err != nil {
		return ""
	}

	return externalURL + "/runbooks/" + name
}

// linked has what is sent over a channel link to runbooks on the page.
type linked struct {
	alert.Notifier
	externalURL string
}

// Notify implements alert.Notifier.
func (l linked) Notify(ctx context.Context, n alert.Notification, extra alert.Extra) (alert.Result, error) {
	n.Alerts = slices.Clone(n.Alerts)
	for i := range n.Alerts {
		a := &n.Alerts[i]
		if link := runbookLink(l.externalURL, a.Annotations[runbookURL]); link != "" {
			a.Annotations = maps.Clone(a.Annotations)
			a.Annotations[runbookURL] = link
		}
	}

	return l.Notifier.Notify(ctx, n, extra)
}

// linked returns the routing with channels that link to runbooks.
func (a *App) linked(r alert.Routing) alert.Routing {
	notifiers := make(map[string]alert.Notifier, len(r.Notifiers))
	for name, notifier := range r.Notifiers {
		notifiers[name] = linked{notifier, a.externalURL}
	}
	r.Notifiers = notifiers

	return r
}
