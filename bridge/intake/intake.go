// Package intake reads alerts in the forms in which other programs send them —
// Alertmanager's API v2, which Prometheus and amtool speak, and Alertmanager's
// webhook, version 4 — and turns them into what bridge/alert understands.
//
// It decodes and checks, and that is all: it must not know HTTP, what becomes
// of an alert, or where it is stored. Whatever is sent, one bad alert costs the
// others nothing, and nothing that passes is too large to keep.
package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"llmwatch/bridge/alert"
)

// Bounds of one alert. They are far above what rules make and far below what
// would hurt.
const (
	MaxAlerts          = 20_000
	maxLabels          = 128
	maxNameBytes       = 256
	maxLabelBytes      = 4 << 10
	maxAnnotationBytes = 32 << 10
	maxAlertBytes      = 128 << 10
	maxURLBytes        = 4 << 10
)

// resolveTimeout is after how long a pushed alert without an end of its own
// counts as resolved, as in Alertmanager.
const resolveTimeout = 5 * time.Minute

// Rejection says what is wrong with one alert of several.
type Rejection struct {
	Index int
	Err   error
}

// Error implements error.
func (r Rejection) Error() string { return fmt.Sprintf("alert %d: %v", r.Index, r.Err) }

// posted is an alert as either form has it.
type posted struct {
	Status       string            `json:"status"` // The webhook's alone.
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
}

// V2 reads the body of POST /api/v2/alerts. The error says that nothing could
// be read at all.
func V2(body []byte, now time.Time) ([]alert.Seen, []Rejection, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, nil, fmt.Errorf("the body must be a JSON array of alerts: %w", err)
	}

	return each(raw, func(p posted) (alert.Seen, error) {
		if p.EndsAt.IsZero() {
			p.EndsAt = now.Add(resolveTimeout)
		}

		return p.seen(now)
	})
}

// Webhook reads the payload that Alertmanager sends to a webhook receiver. Its
// firing alerts have no end: Alertmanager says so when they resolve.
func Webhook(body []byte, now time.Time) ([]alert.Seen, []Rejection, error) {
	var payload struct {
		Version string            `json:"version"`
		Alerts  []json.RawMessage `json:"alerts"`
	}
	if err := json.Unmarshal(body, &payload); err != nil {
		return nil, nil, fmt.Errorf("the body must be Alertmanager's webhook payload: %w", err)
	}
	if payload.Version != "4" {
		return nil, nil, fmt.Errorf("the webhook payload's version must be \"4\", got %.20q", payload.Version)
	}

	return each(payload.Alerts, func(p posted) (alert.Seen, error) {
		switch p.Status {
		case "firing":
			p.EndsAt = time.Time{}
		case "resolved":
			if p.EndsAt.IsZero() || p.EndsAt.After(now) {
				p.EndsAt = now
			}
		default:
			return alert.Seen{}, fmt.Errorf("status must be firing or resolved, got %.20q", p.Status)
		}

		return p.seen(now)
	})
}

// each decodes alert by alert, so that one of a wrong type costs the others
// nothing.
func each(raw []json.RawMessage, convert func(posted) (alert.Seen, error)) ([]alert.Seen, []Rejection, error) {
	if len(raw) > MaxAlerts {
		return nil, nil, fmt.Errorf("at most %d alerts are taken at once, got %d", MaxAlerts, len(raw))
	}
	seen := make([]alert.Seen, 0, len(raw))
	var rejected []Rejection
	for i, text := range raw {
		var p posted
		err := json.Unmarshal(text, &p)
		if err == nil {
			var s alert.Seen
			if s, err = convert(p); err == nil {
				seen = append(seen, s)
				continue
			}
		}
		rejected = append(rejected, Rejection{i, err})
	}

	return seen, rejected, nil
}

func (p posted) seen(now time.Time) (alert.Seen, error) {
	if p.StartsAt.IsZero() {
		p.StartsAt = now
		if !p.EndsAt.IsZero() && p.EndsAt.Before(now) {
			p.StartsAt = p.EndsAt // Only the end is known, and it is past.
		}
	}
	// An empty value means that the label is not there, as in Prometheus.
	maps.DeleteFunc(p.Labels, func(_, value string) bool { return value == "" })
	if err := p.check(); err != nil {
		return alert.Seen{}, err
	}
	// The address is shown as a link.
	if u, err := url.Parse(p.GeneratorURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		p.GeneratorURL = ""
	}

	return alert.Seen{
		Labels:       p.Labels,
		Annotations:  p.Annotations,
		StartsAt:     p.StartsAt.UTC(),
		EndsAt:       p.EndsAt.UTC(),
		GeneratorURL: p.GeneratorURL,
	}, nil
}

func (p posted) check() error {
	if len(p.Labels) == 0 {
		return errors.New("labels must hold at least one label with a value")
	}
	if !p.EndsAt.IsZero() && p.EndsAt.Before(p.StartsAt) {
		return fmt.Errorf("endsAt must not be before startsAt, got %s and %s",
			p.EndsAt.Format(time.RFC3339), p.StartsAt.Format(time.RFC3339))
	}
	if len(p.GeneratorURL) > maxURLBytes {
		return fmt.Errorf("generatorURL must be at most %d bytes long, got %d", maxURLBytes, len(p.GeneratorURL))
	}

	labelBytes, err := checkSet("label", p.Labels, maxLabelBytes)
	if err != nil {
		return err
	}
	annotationBytes, err := checkSet("annotation", p.Annotations, maxAnnotationBytes)
	if err != nil {
		return err
	}
	if total := labelBytes + annotationBytes; total > maxAlertBytes {
		return fmt.Errorf("an alert must be at most %d bytes, got %d", maxAlertBytes, total)
	}

	return nil
}

// checkSet checks names and values and returns how many bytes they are.
func checkSet(what string, set map[string]string, most int) (int, error) {
	if len(set) > maxLabels {
		return 0, fmt.Errorf("at most %d %ss are taken, got %d", maxLabels, what, len(set))
	}
	total := 0
	for name, value := range set {
		switch {
		case name == "" || len(name) > maxNameBytes || !utf8.ValidString(name) || strings.ContainsRune(name, 0):
			return 0, fmt.Errorf("%s name %.40q must be 1 to %d bytes of UTF-8", what, name, maxNameBytes)
		case len(value) > most:
			return 0, fmt.Errorf("%s %s must be at most %d bytes long, got %d", what, name, most, len(value))
		case !utf8.ValidString(value):
			return 0, fmt.Errorf("%s %s must be valid UTF-8", what, name)
		}
		total += len(name) + len(value)
	}

	return total, nil
}
