package notify_test

import (
	"strings"
	"testing"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
	"llmwatch/bridge/notify/notifytest"
)

// crashing are three alerts that only their labels tell apart.
func crashing() []alert.Alert {
	var all []alert.Alert
	for _, labels := range []map[string]string{
		{"cluster": "prod-eu", "namespace": "billing", "pod": "api-7f9c"},
		{"cluster": "prod-us", "namespace": "search", "pod": "index-0"},
		{"cluster": "staging", "namespace": "demo", "pod": "toy-1"},
	} {
		labels["alertname"], labels["severity"], labels["team"] = "KubePodCrashLooping", "critical", "core"
		a := notifytest.Firing().Alerts[0]
		a.Name, a.Labels, a.ID = "KubePodCrashLooping", labels, "KubePodCrashLooping_20240115_"+labels["pod"]
		a.Annotations = map[string]string{"summary": "Pod is crash looping."}
		all = append(all, a)
	}

	return all
}

// parts are what the templates make of a notification.
func parts(t *testing.T, n alert.Notification) map[string]string {
	t.Helper()
	templates, d := standard(t), notify.NewData(n, alert.Extra{})
	made := map[string]string{}
	for name, part := range map[string]func(notify.Data) (string, error){
		"subject": templates.Subject, "text": templates.Text, "html": templates.HTML, "slack": templates.Slack,
	} {
		s, err := part(d)
		if err != nil {
			t.Fatal(err)
		}
		made[name] = s
	}

	return made
}

func TestMessagesTellAlertsOfOneNameApart(t *testing.T) {
	alerts := crashing()
	for _, n := range notifytest.All() {
		if len(n.Alerts) == 0 || n.Kind == alert.KindDigest {
			continue
		}
		seen := map[string]bool{}
		for _, a := range alerts {
			a.Status, a.ResolvedAt, a.Ack = n.Alerts[0].Status, n.Alerts[0].ResolvedAt, n.Alerts[0].Ack
			one := n
			one.Alerts = []alert.Alert{a}
			made := parts(t, one)
			want := "KubePodCrashLooping (namespace=" + a.Labels["namespace"] + ", pod=" + a.Labels["pod"] + ", cluster=" + a.Labels["cluster"] + ", team=core)"
			for _, part := range []string{"subject", "text", "html"} {
				if !strings.Contains(made[part], want) {
					t.Errorf("%s: the %s lacks %q:\n%s", n.Kind, part, want, made[part])
				}
			}
			seen[made["subject"]] = true
		}
		if len(seen) != len(alerts) {
			t.Errorf("%s: the subjects are %v", n.Kind, seen)
		}
	}
}

func TestADigestTellsItsAlertsApart(t *testing.T) {
	n := notifytest.Firing()
	n.Kind, n.Alerts, n.Total = alert.KindDigest, crashing(), 3
	made := parts(t, n)
	delete(made, "subject") // It counts them.
	for part, text := range made {
		for _, want := range []string{
			"(namespace=billing, pod=api-7f9c, cluster=prod-eu)", "(namespace=search, pod=index-0, cluster=prod-us)", "(namespace=demo, pod=toy-1, cluster=staging)",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the %s of the digest lacks %q:\n%s", part, want, text)
			}
		}
		if strings.Contains(text, "team") {
			t.Errorf("the %s of the digest repeats what all have alike:\n%s", part, text)
		}
	}
	golden(t, "digest_of_one_name.txt", made["text"]+"\n----\n"+made["slack"])
	golden(t, "digest_of_one_name.html", made["html"])
}

func TestLabelsInMessagesAreText(t *testing.T) {
	n := notifytest.Firing()
	n.Alerts[0].Labels = map[string]string{
		"alertname": "Escapes", "team": "a&b <c> <!channel>", "path": `/x?y="z"&<w>`, "pod": "\u202eevil\u202c\u200b\x1b[31m",
		"long": strings.Repeat("a", 100_000),
	}
	d := notify.NewData(n, alert.Extra{})
	if want := `pod="evil [31m", long=`; !strings.HasPrefix(d.Alert.LabelText, want) || len(d.Alert.LabelText) > 1000 || len(d.Title) > 300 {
		t.Errorf("the labels are %q in %q", d.Alert.LabelText, d.Title)
	}
	made := parts(t, n)
	if strings.ContainsAny(made["subject"]+made["text"]+made["html"], "\u202e\u200b\x1b") || strings.Contains(made["html"], "<!channel>") {
		t.Errorf("the labels act: %v", made)
	}
}
