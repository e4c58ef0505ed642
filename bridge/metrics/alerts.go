package metrics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// FiringAlert is an alert whose condition has lasted its duration.
type FiringAlert struct {
	Name        string
	Labels      map[string]string
	Annotations map[string]string
	// Query is the rule's expression.
	Query string
	// Since is when the condition began to hold, Fired when it had lasted the
	// rule's duration.
	Since time.Time
	Fired time.Time
	// Value is the value of the rule's expression; NaN where it is not a number.
	Value float64
}

// AlertState is what a metrics server says of its alerts.
type AlertState struct {
	// Firing is what fires, the newest first; Pending what holds but has not
	// lasted its rule's duration.
	Firing  []FiringAlert
	Pending []FiringAlert
	// Unknown names the rules that were not evaluated since the server started:
	// it cannot say yet whether they fire.
	Unknown []string
}

// Alerts returns the state of all alert rules.
func (c *Client) Alerts(ctx context.Context) (AlertState, error) {
	ctx, cancel := context.WithTimeout(ctx, minTimeout)
	defer cancel()
	result, err := c.api.Rules(ctx, nil)
	if err != nil {
		return AlertState{}, classify(err)
	}
	var state AlertState
	for _, group := range result.Groups {
		for _, rule := range group.Rules {
			if alerting, ok := rule.(promv1.AlertingRule); ok {
				state.add(alerting)
			}
		}
	}
	newestFirst(state.Firing)
	newestFirst(state.Pending)

	return state, nil
}

// newestFirst sorts alerts by when they fired, and those that did so together by
// name and labels. Of one rule they often fire by the thousand.
func newestFirst(list []FiringAlert) {
	type labelled struct {
		FiringAlert
		text string // Of the labels, which would else be made for each comparison.
	}
	order := make([]labelled, len(list))
	for i, a := range list {
		order[i] = labelled{a, fmt.Sprint(a.Labels)}
	}
	slices.SortFunc(order, func(a, b labelled) int {
		return cmp.Or(b.Fired.Compare(a.Fired), cmp.Compare(a.Name, b.Name), cmp.Compare(a.text, b.text))
	})
	for i := range order {
		list[i] = order[i].FiringAlert
	}
}

// RuleState is what a metrics server says of the alert rules of one name.
type RuleState struct {
	// Health is ok, err, or unknown until the first evaluation.
	Health string
	// LastError says why the last evaluation failed; empty when it did not.
	LastError      string
	LastEvaluation time.Time
	Firing         int
	Pending        int
}

// Rules returns the state of the alert rules, by name.
func (c *Client) Rules(ctx context.Context) (map[string]RuleState, error) {
	ctx, cancel := context.WithTimeout(ctx, minTimeout)
	defer cancel()
	result, err := c.api.Rules(ctx, nil)
	if err != nil {
		return nil, classify(err)
	}
	states := map[string]RuleState{}
	for _, group := range result.Groups {
		for _, rule := range group.Rules {
			if alerting, ok := rule.(promv1.AlertingRule); ok {
				states[alerting.Name] = newRuleState(alerting)
			}
		}
	}

	return states, nil
}

func newRuleState(rule promv1.AlertingRule) RuleState {
	s := RuleState{Health: string(promv1.RuleHealthUnknown), LastError: rule.LastError, LastEvaluation: rule.LastEvaluation}
	if rule.Health == promv1.RuleHealthGood || rule.Health == promv1.RuleHealthBad {
		s.Health = string(rule.Health)
	}
	for _, a := range rule.Alerts {
		switch a.State {
		case promv1.AlertStateFiring:
			s.Firing++
		case promv1.AlertStatePending:
			s.Pending++
		case promv1.AlertStateInactive:
		}
	}

	return s
}

func (s *AlertState) add(rule promv1.AlertingRule) {
	if rule.LastEvaluation.IsZero() {
		s.Unknown = append(s.Unknown, rule.Name)
	}
	for _, a := range rule.Alerts {
		switch a.State {
		case promv1.AlertStateFiring:
			s.Firing = append(s.Firing, newFiring(rule, a))
		case promv1.AlertStatePending:
			s.Pending = append(s.Pending, newFiring(rule, a))
		case promv1.AlertStateInactive:
		}
	}
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
		Labels:      stringMap(a.Labels),
		Annotations: stringMap(a.Annotations),
		Query:       rule.Query,
		Since:       a.ActiveAt,
		Fired:       a.ActiveAt.Add(time.Duration(rule.Duration * float64(time.Second))),
		Value:       value,
	}
}

func stringMap(set model.LabelSet) map[string]string {
	out := make(map[string]string, len(set))
	for k, v := range set {
		out[string(k)] = string(v)
	}

	return out
}

// ExternalLabels returns the labels that the server adds to every alert that it
// pushes, empty where it has none or does not tell.
func (c *Client) ExternalLabels(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, minTimeout)
	defer cancel()
	answer, err := c.api.Config(ctx)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, classify(err)
	}
	var cfg struct {
		Global struct {
			ExternalLabels map[string]string `yaml:"external_labels"`
		} `yaml:"global"`
	}
	if err := yaml.Unmarshal([]byte(answer.YAML), &cfg); err != nil {
		return nil, fmt.Errorf("reading the server's configuration: %w", err)
	}

	return cfg.Global.ExternalLabels, nil
}

// isMissing reports that the server does not know the path: not every
// Prometheus-compatible server shows its configuration. One that only refuses
// for now (429) may have labels, and without them every alert would be another.
func isMissing(err error) bool {
	asked, ok := errors.AsType[*promv1.Error](err)

	return ok && (asked.Type == promv1.ErrBadData ||
		asked.Type == promv1.ErrClient && !strings.HasSuffix(asked.Msg, strconv.Itoa(http.StatusTooManyRequests)))
}
