package intake

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/alert"
)

var now = time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC)

func TestV2(t *testing.T) {
	seen, rejected, err := V2([]byte(`[
		{"labels": {"alertname": "a", "empty": ""}, "annotations": {"summary": "s"}, "generatorURL": "http://p/graph",
		 "startsAt": "2024-01-15T11:00:00+01:00", "endsAt": "2024-01-15T10:40:00Z"},
		{"labels": {"alertname": "b"}},
		{"labels": {"alertname": "c"}, "endsAt": "2024-01-15T10:29:00Z"}
	]`), now)
	want := []alert.Seen{
		{
			Labels: map[string]string{"alertname": "a"}, Annotations: map[string]string{"summary": "s"},
			GeneratorURL: "http://p/graph", StartsAt: now.Add(-30 * time.Minute), EndsAt: now.Add(10 * time.Minute),
		},
		{Labels: map[string]string{"alertname": "b"}, StartsAt: now, EndsAt: now.Add(resolveTimeout)},
		{Labels: map[string]string{"alertname": "c"}, StartsAt: now.Add(-time.Minute), EndsAt: now.Add(-time.Minute)},
	}
	if err != nil || len(rejected) != 0 || !cmp.Equal(seen, want) {
		t.Errorf("V2: %v, %v\n%s", err, rejected, cmp.Diff(want, seen))
	}
}

func TestWebhook(t *testing.T) {
	seen, rejected, err := Webhook([]byte(`{"version": "4", "status": "firing", "receiver": "llmwatch", "alerts": [
		{"status": "firing", "labels": {"alertname": "a"}, "startsAt": "2024-01-15T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z"},
		{"status": "resolved", "labels": {"alertname": "b"}, "startsAt": "2024-01-15T10:00:00Z", "endsAt": "2024-01-15T10:20:00Z"},
		{"status": "resolved", "labels": {"alertname": "c"}, "startsAt": "2024-01-15T10:00:00Z", "endsAt": "2024-01-15T10:31:00Z"},
		{"status": "sleeping", "labels": {"alertname": "d"}}
	]}`), now)
	start := now.Add(-30 * time.Minute)
	want := []alert.Seen{
		{Labels: map[string]string{"alertname": "a"}, StartsAt: start},
		{Labels: map[string]string{"alertname": "b"}, StartsAt: start, EndsAt: now.Add(-10 * time.Minute)},
		{Labels: map[string]string{"alertname": "c"}, StartsAt: start, EndsAt: now},
	}
	if err != nil || !cmp.Equal(seen, want) {
		t.Errorf("Webhook: %v\n%s", err, cmp.Diff(want, seen))
	}
	if len(rejected) != 1 || rejected[0].Index != 3 || !strings.Contains(rejected[0].Error(), `status must be firing or resolved, got "sleeping"`) {
		t.Errorf("rejected: %v", rejected)
	}
}

func TestWhatIsNoListOfAlertsIsRefused(t *testing.T) {
	for _, body := range []string{"", "{", "null x", `{"labels": {}}`, `"text"`, "[" + strings.Repeat("{},", MaxAlerts) + "{}]"} {
		if _, _, err := V2([]byte(body), now); err == nil {
			t.Errorf("V2 took %.20q", body)
		}
	}
	for _, body := range []string{"", "[]", `{"version": "3", "alerts": []}`, `{"alerts": []}`} {
		if _, _, err := Webhook([]byte(body), now); err == nil {
			t.Errorf("Webhook took %.20q", body)
		}
	}
}

func TestOneBadAlertCostsTheOthersNothing(t *testing.T) {
	many := map[string]string{}
	for i := range 10_000 {
		many[fmt.Sprintf("label_%d", i)] = "x"
	}
	big := map[string]string{"alertname": "big"}
	for i := range 5 {
		big[fmt.Sprintf("annotation_%d", i)] = strings.Repeat("a", maxAnnotationBytes)
	}
	text := func(v any) string {
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}

		return string(out)
	}
	for _, tc := range []struct{ name, alert, says string }{
		{"no labels", `{"labels": {}}`, "at least one label"},
		{"only empty labels", `{"labels": {"a": ""}}`, "at least one label"},
		{"a number for a label", `{"labels": {"a": 1}}`, "cannot unmarshal number"},
		{"not an object", `7`, "cannot unmarshal number"},
		{"an end before the start", `{"labels": {"a": "b"}, "startsAt": "2024-01-15T10:00:00Z", "endsAt": "2024-01-15T09:00:00Z"}`, "endsAt must not be before startsAt"},
		{"a label of 1 MB", text(posted{Labels: map[string]string{"a": strings.Repeat("x", 1<<20)}}), "label a must be at most 4096 bytes long, got 1048576"},
		{"10,000 labels", text(posted{Labels: many}), "at most 128 labels are taken, got 10000"},
		{"a long name", text(posted{Labels: map[string]string{strings.Repeat("n", 300): "x"}}), "label name"},
		{"too much altogether", text(posted{Labels: map[string]string{"a": "b"}, Annotations: big}), "an alert must be at most 131072 bytes"},
		{"a long URL", text(posted{Labels: map[string]string{"a": "b"}, GeneratorURL: strings.Repeat("u", 5000)}), "generatorURL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			seen, rejected, err := V2([]byte(`[{"labels": {"alertname": "good"}}, `+tc.alert+`, {"labels": {"alertname": "fine"}}]`), now)
			if err != nil || len(seen) != 2 {
				t.Fatalf("%d alerts were taken, want the 2 good ones (%v)", len(seen), err)
			}
			if len(rejected) != 1 || rejected[0].Index != 1 || !strings.Contains(rejected[0].Error(), tc.says) {
				t.Errorf("rejected %v, want alert 1 and %q", rejected, tc.says)
			}
		})
	}
}

func TestGeneratorURLIsAnAddressOnTheWeb(t *testing.T) {
	for given, want := range map[string]string{
		"http://p:9090/graph?g0.expr=up": "http://p:9090/graph?g0.expr=up", "https://p/": "https://p/",
		"javascript:alert(1)": "", "data:text/html,x": "", "/graph": "", "http://": "", "": "", "%": "",
	} {
		seen, _, err := V2([]byte(fmt.Sprintf(`[{"labels": {"alertname": "a"}, "generatorURL": %q}]`, given)), now)
		if err != nil || len(seen) != 1 || seen[0].GeneratorURL != want {
			t.Errorf("%q is taken as %+v (%v), want %q", given, seen, err, want)
		}
	}
}

func TestGettable(t *testing.T) {
	a := &alert.Alert{
		Fingerprint: "f", Status: alert.Acknowledged, Labels: map[string]string{"alertname": "a"},
		Channels: []string{"email"}, Ack: &alert.Ack{By: "ada"},
	}
	g := NewGettable(a, now)
	if g.Status.State != "suppressed" || g.Receivers[0].Name != "email" || !g.EndsAt.Equal(now.Add(resolveTimeout)) || g.Annotations == nil {
		t.Errorf("an acknowledged alert is shown as %+v", g)
	}
	a.Status, a.EndsAt = alert.Active, now
	if g := NewGettable(a, now); g.Status.State != "active" || !g.EndsAt.Equal(now) {
		t.Errorf("an active alert is shown as %+v", g)
	}
}

func TestFilter(t *testing.T) {
	set := map[string]string{"alertname": "high_cpu_usage", "severity": "high"}
	for text, want := range map[string]bool{
		`alertname="high_cpu_usage"`: true,
		`alertname=high_cpu_usage`:   true,
		`alertname!="x"`:             true,
		`severity=~"hi.*"`:           true,
		`severity=~"hi"`:             false,
		`missing=""`:                 true,
		`missing!=""`:                false,
	} {
		f, err := ParseFilter([]string{text, `severity="high"`})
		if err != nil || f.Matches(set) != want {
			t.Errorf("%s: %v (%v), want %v", text, f.Matches(set), err, want)
		}
	}
	if _, err := ParseFilter([]string{"=x"}); err == nil {
		t.Error("a broken matcher was taken")
	}
}

// FuzzIntake holds that whatever is sent, what passes is bounded and valid.
func FuzzIntake(f *testing.F) {
	f.Add([]byte(`[{"labels": {"alertname": "a"}, "annotations": {"b": "c"}, "endsAt": "2024-01-15T10:20:00Z"}]`))
	f.Add([]byte(`{"version": "4", "alerts": [{"status": "firing", "labels": {"a": "b"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func([]byte, time.Time) ([]alert.Seen, []Rejection, error){V2, Webhook} {
			seen, _, err := read(body, now)
			if err != nil {
				continue
			}
			for _, s := range seen {
				if len(s.Labels) == 0 || s.StartsAt.IsZero() {
					t.Fatalf("%q passed as %+v", body, s)
				}
				size := 0
				for _, set := range []map[string]string{s.Labels, s.Annotations} {
					for k, v := range maps.All(set) {
						size += len(k) + len(v)
					}
				}
				if size > maxAlertBytes {
					t.Fatalf("an alert of %d bytes passed", size)
				}
				if _, err := json.Marshal(s); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
