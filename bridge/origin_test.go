package bridge

import (
	"net/http"
	"testing"

	"llmwatch/bridge/alert"
)

func TestAlertTellsItsOrigin(t *testing.T) {
	b := put(t, &fakeMetrics{}, onTime)
	b.answers(b.posting(v2Alerts, `[{"labels": {"alertname": "by_api"}}]`), http.StatusOK, nil)
	b.answers(b.posting(Base+"/webhooks/alertmanager", webhookBody(webhookAlert("by_webhook", "firing"))), http.StatusOK, nil)
	err := b.manager.Observe(t.Context(), alert.Snapshot{
		Complete: true, Origin: alert.Origin{Kind: alert.FromRule, Source: alert.SourceEmbedded},
		Alerts: []alert.Seen{{Labels: map[string]string{"alertname": "by_rule"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var all alertsForm
	b.get("/alerts", &all)
	want := map[string]alert.Origin{
		"by_api":     {Kind: alert.FromPush, Source: alert.SourceV2},
		"by_webhook": {Kind: alert.FromPush, Source: alert.SourceWebhook},
		"by_rule":    {Kind: alert.FromRule, Source: alert.SourceEmbedded},
	}
	if len(all.Data) != len(want) {
		t.Fatalf("%d alerts, want %d", len(all.Data), len(want))
	}
	for _, a := range all.Data {
		if a.Origin != want[a.Name] {
			t.Errorf("%s comes from %+v, want %+v", a.Name, a.Origin, want[a.Name])
		}
	}
}
