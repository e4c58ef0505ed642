package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/intake"
)

// The paths of Alertmanager's API v2. They stand at the root, where Prometheus
// and amtool expect them.
const (
	v2Alerts = "/api/v2/alerts"
	v2Status = "/api/v2/status"
)

// maxNamed is how many rejected alerts an answer names.
const maxNamed = 10

// DefaultAlertmanagerRepeat is Alertmanager's default repeat_interval.
const DefaultAlertmanagerRepeat = 4 * time.Hour

// webhookPatience is how long an alert lasts of which Alertmanager has said that it
// fires and nothing since. It repeats that each repeat_interval, up to a
// group_interval late, until the alert ends. Of one that is silenced it says
// nothing any more, not even that it ended.
func webhookPatience(repeat time.Duration) time.Duration {
	return repeat + max(10*time.Minute, repeat/8)
}

// rejections says in one text which alerts of a batch were not taken.
func rejections(rejected []intake.Rejection) string {
	texts := make([]string, 0, maxNamed+1)
	for i, r := range rejected {
		if i == maxNamed {
			texts = append(texts, fmt.Sprintf("and %d more", len(rejected)-maxNamed))
			break
		}
		texts = append(texts, r.Error())
	}

	return strings.Join(texts, "; ")
}

// pushedBy is the origin of what a request brings.
func pushedBy(r *http.Request, source string) alert.Origin {
	o := alert.Origin{Kind: alert.FromPush, Source: source}
	if caller := exchangeOf(r.Context()).caller; caller != nil {
		o.Principal = caller.Principal()
	}

	return o
}

// sender tells apart who pushes under one principal: Alertmanager, whose replicas
// agree on what they say, or a Prometheus by its own address and by the one that
// it pushes from. It is empty where a push names no server.
func sender(r *http.Request, source, generatorURL string) string {
	if source == alert.SourceWebhook {
		return "Alertmanager"
	}
	u, err := url.Parse(generatorURL)
	if err != nil || u.Host == "" {
		return ""
	}
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		from = r.RemoteAddr
	}

	return u.Host + " at " + from
}

// observe takes in the alerts that could be read and reports the others.
func (s *server) observe(r *http.Request, source string, seen []alert.Seen, rejected []intake.Rejection, err error) error {
	if err != nil {
		return &Error{http.StatusBadRequest, CodeBadRequest, err.Error()}
	}
	for i := range seen {
		seen[i].Sender = sender(r, source, seen[i].GeneratorURL)
	}
	taken := len(seen)
	if s.Polled != nil && taken > 0 {
		seen = s.Polled.Uncovered(r.Context(), seen)
	}
	if len(seen) > 0 {
		err := s.Alerts.Observe(r.Context(), alert.Snapshot{Origin: pushedBy(r, source), Alerts: seen})
		if tooMany, ok := errors.AsType[*alert.TooManyError](err); ok {
			if s.AlertsRefused != nil {
				s.AlertsRefused(r.Context(), tooMany)
			}

			return &Error{http.StatusTooManyRequests, tooMany.Limit, tooMany.Error()}
		}
		if err != nil {
			return err
		}
	}
	if len(rejected) > 0 {
		return &Error{http.StatusBadRequest, CodeBadRequest, fmt.Sprintf("%d alerts were taken, %d were not: %s",
			taken, len(rejected), rejections(rejected))}
	}

	return nil
}

// webhook is POST /webhooks/alertmanager.
func (s *server) webhook(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r, maxAlertBody)
	if err != nil {
		return err
	}
	seen, rejected, err := intake.Webhook(body, s.Now())
	for i := range seen {
		if seen[i].EndsAt.IsZero() {
			seen[i].EndsAt = s.Now().Add(webhookPatience(s.AlertmanagerRepeat))
		}
	}
	if err := s.observe(r, alert.SourceWebhook, seen, rejected, err); err != nil {
		return err
	}

	return answerJSON(w, struct {
		Success  bool `json:"success"`
		Accepted int  `json:"accepted"`
	}{true, len(seen)})
}

// postV2 is POST /api/v2/alerts. Its errors are JSON strings, as
// Alertmanager's are.
func (s *server) postV2(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r, maxAlertBody)
	if err == nil {
		seen, rejected, readErr := intake.V2(body, s.Now())
		err = s.observe(r, alert.SourceV2, seen, rejected, readErr)
	}
	if err != nil {
		s.failV2(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// getV2 is GET /api/v2/alerts.
func (s *server) getV2(w http.ResponseWriter, r *http.Request) {
	filter, err := intake.ParseFilter(r.URL.Query()["filter"])
	if err != nil {
		s.failV2(w, r, &Error{http.StatusBadRequest, CodeBadRequest, err.Error()})
		return
	}
	page, err := s.AlertStore.List(r.Context(), alert.Filter{Statuses: unresolved})
	if err != nil {
		s.failV2(w, r, err)
		return
	}
	hide := func(parameter string) bool { return r.URL.Query().Get(parameter) == "false" }
	out := []intake.Gettable{}
	for i := range page.Alerts {
		a := &page.Alerts[i]
		acknowledged := a.Status == alert.Acknowledged
		if !filter.Matches(a.Labels) || acknowledged && hide("silenced") || !acknowledged && hide("active") {
			continue
		}
		out = append(out, intake.NewGettable(a, s.Now()))
	}
	s.answerV2(w, r, out)
}

// statusV2 is GET /api/v2/status.
func (s *server) statusV2(w http.ResponseWriter, r *http.Request) {
	type version struct {
		Branch    string `json:"branch"`
		BuildDate string `json:"buildDate"`
		BuildUser string `json:"buildUser"`
		GoVersion string `json:"goVersion"`
		Revision  string `json:"revision"`
		Version   string `json:"version"`
	}
	s.answerV2(w, r, struct {
		Cluster map[string]any    `json:"cluster"`
		Config  map[string]string `json:"config"`
		Uptime  time.Time         `json:"uptime"`
		Version version           `json:"versionInfo"`
	}{
		Cluster: map[string]any{"status": "disabled", "peers": []any{}},
		Config:  map[string]string{"original": ""},
		Uptime:  s.started.UTC(),
		Version: version{GoVersion: runtime.Version(), Version: s.Version},
	})
}

func (s *server) answerV2(w http.ResponseWriter, r *http.Request, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.failV2(w, r, err)
		return
	}
	writeBody(w, http.StatusOK, append(body, '\n'))
}

func (s *server) failV2(w http.ResponseWriter, r *http.Request, err error) {
	shown := s.explain(r, err)
	body, err := json.Marshal(shown.Message)
	if err != nil {
		panic(err) // A string.
	}
	if shown.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "60")
	}
	writeBody(w, shown.Status, append(body, '\n'))
}
