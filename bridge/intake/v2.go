package intake

import (
	"slices"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"

	"llmwatch/bridge/alert"
)

// Gettable is an alert as GET /api/v2/alerts shows it.
type Gettable struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	UpdatedAt    time.Time         `json:"updatedAt"`
	EndsAt       time.Time         `json:"endsAt"`
	Fingerprint  string            `json:"fingerprint"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
	Receivers    []Receiver        `json:"receivers"`
	Status       GettableStatus    `json:"status"`
}

// Receiver names a channel.
type Receiver struct {
	Name string `json:"name"`
}

// GettableStatus is the state in Alertmanager's words. An acknowledged alert is
// shown as suppressed, silenced by its acknowledgement.
type GettableStatus struct {
	State       string   `json:"state"`
	SilencedBy  []string `json:"silencedBy"`
	InhibitedBy []string `json:"inhibitedBy"`
	MutedBy     []string `json:"mutedBy"`
}

// NewGettable shows an alert.
func NewGettable(a *alert.Alert, now time.Time) Gettable {
	g := Gettable{
		Labels:       a.Labels,
		Annotations:  a.Annotations,
		StartsAt:     a.StartsAt,
		UpdatedAt:    a.UpdatedAt,
		EndsAt:       a.EndsAt,
		Fingerprint:  a.Fingerprint,
		GeneratorURL: a.GeneratorURL,
		Receivers:    []Receiver{},
		Status:       GettableStatus{State: "active", SilencedBy: []string{}, InhibitedBy: []string{}, MutedBy: []string{}},
	}
	if g.EndsAt.IsZero() {
		g.EndsAt = now.Add(resolveTimeout)
	}
	if g.Annotations == nil {
		g.Annotations = map[string]string{}
	}
	for _, name := range a.Channels {
		g.Receivers = append(g.Receivers, Receiver{name})
	}
	if a.Status == alert.Acknowledged {
		g.Status.State, g.Status.SilencedBy = "suppressed", []string{"acknowledged by " + a.Ack.By}
	}

	return g
}

// Filter is the `filter` parameters of GET /api/v2/alerts.
type Filter []*labels.Matcher

// ParseFilter reads matchers such as alertname="high_cpu_usage" or severity=~"c.*".
func ParseFilter(texts []string) (Filter, error) {
	f := make(Filter, 0, len(texts))
	for _, text := range texts {
		m, err := labels.ParseMatcher(text)
		if err != nil {
			return nil, err
		}
		f = append(f, m)
	}

	return f, nil
}

// Matches reports whether every matcher matches.
func (f Filter) Matches(set map[string]string) bool {
	return !slices.ContainsFunc(f, func(m *labels.Matcher) bool { return !m.Matches(set[m.Name]) })
}
