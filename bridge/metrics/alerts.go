package metrics

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// FiringAlert is an alert whose condition has lasted its duration.
type FiringAlert struct {
	Name        string
	Severity    string
	Labels      map[string]string
	Annotations map[string]string
	// Since is when the condition began to hold, Fired when it had lasted the
	// rule's duration.
	Since time.Time
	Fired time.Time
	// Value is the value of the rule's expression; NaN where it is not a number.
	Value float64
}

// Severities, the gravest first.
var severities = []string{"critical", "high", "medium", "low"}

// Firing returns what fires now, the newest first.
func (c *Client) Firing(ctx context.Context) ([]FiringAlert, error) {
	ctx, cancel := context.WithTimeout(ctx, minTimeout)
	defer cancel()
	result, err := c.api.Rules(ctx, nil)
	if err != nil {
		return nil, classify(err)
	}
	var out []FiringAlert
	for _, group := range result.Groups {
		for _, rule := range group.Rules {
			alerting, ok := rule.(promv1.AlertingRule)
			if !ok {
				continue
			}
			for _, a := range alerting.Alerts {
				if a.State == promv1.AlertStateFiring {
					out = append(out, newFiring(alerting, a))
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b FiringAlert) int {
		return cmp.Or(b.Fired.Compare(a.Fired), cmp.Compare(a.Name, b.Name),
			cmp.Compare(fmt.Sprint(a.Labels), fmt.Sprint(b.Labels)))
	})

	return out, nil
}

func newFiring(rule promv1.AlertingRule, a *promv1.Alert) FiringAlert {
	value, err := strconv.ParseFloat(a.Value, 64)
	if err != nil {
		value = math.NaN()
	}
	name := string(a.Labels[model.AlertNameLabel])
	if name == "" {
		name = rule.Name
	}

	return FiringAlert{
		Name:        name,
		Severity:    severityOf(string(a.Labels[labelSeverity])),
		Labels:      stringMap(a.Labels),
		Annotations: stringMap(a.Annotations),
		Since:       a.ActiveAt,
		Fired:       a.ActiveAt.Add(time.Duration(rule.Duration * float64(time.Second))),
		Value:       value,
	}
}

// severityOf maps what other rule sets call a severity to the documented ones.
func severityOf(label string) string {
	switch label {
	case "page":
		return "critical"
	case "warning":
		return "medium"
	case "info":
		return "low"
	default:
		if slices.Contains(severities, label) {
			return label
		}

		return "medium"
	}
}

func countAlerts(alerts []FiringAlert) AlertCounts {
	counts := AlertCounts{Total: len(alerts), BySeverity: map[string]int{}}
	for _, a := range alerts {
		counts.BySeverity[a.Severity]++
	}
	counts.Critical, counts.High = counts.BySeverity["critical"], counts.BySeverity["high"]

	return counts
}

func stringMap(set model.LabelSet) map[string]string {
	out := make(map[string]string, len(set))
	for k, v := range set {
		out[string(k)] = string(v)
	}

	return out
}
