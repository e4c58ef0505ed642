package bridge

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAlertsOfOneNameAreToldApart(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	push := func(labels string) string {
		return `{"labels": {"alertname": "KubePodCrashLooping", "team": "core", ` + labels + `}, "startsAt": "2024-01-15T12:00:00Z", "endsAt": "9999-01-01T00:00:00Z"}`
	}
	b.answers(b.posting(v2Alerts, "["+strings.Join([]string{
		push(`"cluster": "prod-eu", "pod": "api-7f9c"`), push(`"cluster": "prod-us", "pod": "index-0"`), push(`"cluster": "staging", "pod": "\u202etoy-1\u001b"`),
	}, ",")+"]"), http.StatusOK, nil)
	type labelled struct {
		Data []struct {
			ID   string
			Text string `json:"label_text"`
		}
	}
	for path, want := range map[string][]string{
		"/alerts":         {"pod=api-7f9c, cluster=prod-eu", "pod=index-0, cluster=prod-us", "pod=toy-1, cluster=staging"},
		"/alerts?limit=1": {"pod=toy-1, cluster=staging, team=core"},
		// A page of history must not leave out what another page shows.
		"/alerts/history": {"pod=api-7f9c, cluster=prod-eu, team=core", "pod=index-0, cluster=prod-us, team=core", "pod=toy-1, cluster=staging, team=core"},
	} {
		var list labelled
		b.get(path, &list)
		texts := make([]string, len(list.Data))
		for i, a := range list.Data {
			texts[i] = a.Text
		}
		slices.Sort(texts)
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}
