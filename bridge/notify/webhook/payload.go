package webhook

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
)

// payload is the body as Alertmanager documents it,
// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.
type payload struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []payloadAlert    `json:"alerts"`
}

type payloadAlert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

// Bounds in bytes: of a label or annotation, and of all alerts in a payload.
const (
	maxValue  = 16 << 10
	maxAlerts = 4 << 20
)

// Annotations that an acknowledged alert has beside its own.
const (
	acknowledgedBy      = "acknowledged_by"
	acknowledgedComment = "acknowledged_comment"
)

// encode makes the body. The gravest alerts come first, and what does not fit is
// counted in truncatedAlerts.
func encode(n alert.Notification, c *Config) ([]byte, error) {
	p := payload{Version: "4", Status: "firing", Receiver: n.Channel, ExternalURL: c.ExternalURL}
	size := 0
	most := c.MaxAlerts
	if n.Progress.Short {
		most = min(most, maxShort)
	}
	for _, a := range notify.Gravest(n.Alerts, most) {
		converted := convert(a)
		if n.Progress.Short {
			converted.shorten()
		}
		if size += converted.size(); size > maxAlerts && len(p.Alerts) > 0 {
			break
		}
		p.Alerts = append(p.Alerts, converted)
	}
	switch {
	case len(p.Alerts) > 0:
	case n.Kind == alert.KindTest:
		p.Alerts = []payloadAlert{sample(n.OwedAt)}
	case n.About != "":
		p.Alerts = []payloadAlert{outage(&n)}
	}
	p.TruncatedAlerts = max(n.Total, len(n.Alerts), len(p.Alerts)) - len(p.Alerts)
	if len(p.Alerts) > 0 && !slices.ContainsFunc(p.Alerts, func(a payloadAlert) bool { return a.Status == "firing" }) {
		p.Status = "resolved"
	}
	p.CommonLabels = common(p.Alerts, func(a payloadAlert) map[string]string { return a.Labels })
	p.CommonAnnotations = common(p.Alerts, func(a payloadAlert) map[string]string { return a.Annotations })
	// Each alert is a group of its own, and a digest one without labels.
	p.GroupLabels = map[string]string{}
	if n.Kind != alert.KindDigest {
		p.GroupLabels = p.CommonLabels
	}
	p.GroupKey = groupKey(p.GroupLabels)
	body, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode payload: %w", err)
	}

	return body, nil
}

func convert(a *alert.Alert) payloadAlert {
	p := payloadAlert{
		Status:       "firing",
		Labels:       bounded(a.Labels),
		Annotations:  bounded(a.Annotations),
		StartsAt:     a.FiredAt.UTC(),
		GeneratorURL: value(a.GeneratorURL),
		Fingerprint:  a.Fingerprint,
	}
	if a.FiredAt.IsZero() {
		p.StartsAt = a.StartsAt.UTC()
	}
	if a.Status == alert.Resolved {
		p.Status, p.EndsAt = "resolved", a.ResolvedAt.UTC()
	}
	if a.Ack != nil {
		p.Annotations[acknowledgedBy] = value(a.Ack.By)
		if a.Ack.Comment != "" {
			p.Annotations[acknowledgedComment] = value(a.Ack.Comment)
		}
	}

	return p
}

// sample is the alert of a test: receivers expect at least one.
func sample(now time.Time) payloadAlert {
	labels := map[string]string{"alertname": "llmwatch_test", "severity": "low"}

	return payloadAlert{
		Status:      "firing",
		Labels:      labels,
		Annotations: map[string]string{"summary": "This is a test."},
		StartsAt:    now.UTC(),
		Fingerprint: alert.Fingerprint(labels),
	}
}

// outage is a channel that cannot deliver, or can again, as an alert: receivers
// know nothing else.
func outage(n *alert.Notification) payloadAlert {
	labels := map[string]string{"alertname": "notification_channel_down", "severity": string(alert.Critical), "channel": n.About}
	p := payloadAlert{
		Status: "firing", Labels: bounded(labels), StartsAt: n.Since.UTC(), Fingerprint: alert.Fingerprint(labels),
		Annotations: map[string]string{"summary": "The channel " + value(n.About) + " cannot deliver", "description": value(n.Comment)},
	}
	if n.Kind == alert.KindChannelUp {
		p.Status, p.EndsAt = "resolved", n.OwedAt.UTC()
	}

	return p
}

// maxShort is how many alerts a payload holds that was refused in its full
// length, maxShortValue how long their texts are in bytes.
const (
	maxShort      = 10
	maxShortValue = 200
)

// shorten leaves what tells the alert from others, and its summary.
func (p *payloadAlert) shorten() {
	for name, text := range p.Labels {
		p.Labels[name] = notify.Truncate(text, maxShortValue)
	}
	p.Annotations = map[string]string{"summary": notify.Truncate(p.Annotations["summary"], maxShortValue)}
	p.GeneratorURL = ""
}

func bounded(set map[string]string) map[string]string {
	cut := make(map[string]string, len(set)+2)
	for name, text := range set {
		cut[name] = value(text)
	}

	return cut
}

func value(s string) string {
	return notify.Truncate(strings.ToValidUTF8(s, "\uFFFD"), maxValue)
}

func (p *payloadAlert) size() int {
	size := len(p.GeneratorURL)
	for _, set := range []map[string]string{p.Labels, p.Annotations} {
		for name, value := range set {
			size += len(name) + len(value)
		}
	}

	return size
}

// common is what all alerts have alike.
func common(alerts []payloadAlert, of func(payloadAlert) map[string]string) map[string]string {
	if len(alerts) == 0 {
		return map[string]string{}
	}
	shared := maps.Clone(of(alerts[0]))
	for _, a := range alerts[1:] {
		set := of(a)
		maps.DeleteFunc(shared, func(name, value string) bool {
			other, ok := set[name]

			return !ok || other != value
		})
	}

	return shared
}

// groupKey is the key of a group below the root route, in Alertmanager's
// notation.
func groupKey(labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, name+"="+strconv.Quote(labels[name]))
	}

	return "{}:{" + strings.Join(parts, ", ") + "}"
}
