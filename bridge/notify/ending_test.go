package notify

import (
	"testing"
	"time"

	"llmwatch/bridge/alert"
)

// Only of what is known to be over a message may say that it is resolved.
func TestMessageSaysHowAlertsEnded(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC)
	ended := func(kind alert.EndingKind, text string) alert.Alert {
		return alert.Alert{
			Name: "disk", Status: alert.Resolved, FiredAt: now.Add(-time.Hour), ResolvedAt: now, Ending: alert.Ending{Kind: kind, Text: text},
		}
	}
	var (
		old      = ended("", "")
		resolved = ended(alert.EndedResolved, "the condition does not hold any more")
		stale    = ended(alert.EndedStale, "no longer reported by Alertmanager")
		closed   = ended(alert.EndedClosed, "closed by ada: was a test")
		rule     = ended(alert.EndedRule, "the rule disk was deleted by ada")
	)
	for name, c := range map[string]struct {
		kind                 alert.Kind
		alerts               []alert.Alert
		tag, title, headline string
	}{
		"before this was kept": {alert.KindResolved, []alert.Alert{old}, "RESOLVED", "disk", "resolved after 1 hour"},
		"resolved":             {alert.KindResolved, []alert.Alert{resolved}, "RESOLVED", "disk", "resolved after 1 hour"},
		"stale":                {alert.KindResolved, []alert.Alert{stale}, "NOT REPORTED", "disk", "no longer reported by Alertmanager"},
		"closed":               {alert.KindResolved, []alert.Alert{closed}, "CLOSED", "disk", "closed by ada: was a test"},
		"rule":                 {alert.KindResolved, []alert.Alert{rule}, "RULE CHANGED", "disk", "the rule disk was deleted by ada"},
		"several resolved":     {alert.KindDigest, []alert.Alert{resolved, old}, "RESOLVED", "2 alerts resolved", ""},
		"several stale":        {alert.KindDigest, []alert.Alert{stale, stale}, "NOT REPORTED", "2 alerts not reported any more", ""},
		"several of each":      {alert.KindDigest, []alert.Alert{resolved, stale}, "ENDED", "2 alerts ended", ""},
	} {
		d := NewData(alert.Notification{Kind: c.kind, Alerts: c.alerts, OwedAt: now}, alert.Extra{})
		if d.Tag != c.tag || d.Title != c.title || c.headline != "" && d.Headline != c.headline {
			t.Errorf("%s: %q %q %q, want %q %q %q", name, d.Tag, d.Title, d.Headline, c.tag, c.title, c.headline)
		}
		if good := d.Color == colorResolved; good != (c.tag == "RESOLVED") {
			t.Errorf("%s: the color is %s", name, d.Color)
		}
	}
	stale.Origin = alert.Origin{Kind: alert.FromPush, Source: alert.SourceV2, Principal: "mallory"}
	if d := NewData(alert.Notification{Kind: alert.KindFiring, Alerts: []alert.Alert{stale}, OwedAt: now}, alert.Extra{}); d.Alert.Pushed != "pushed by mallory (api_v2)" {
		t.Errorf("who pushed it is told as %q", d.Alert.Pushed)
	}
}
