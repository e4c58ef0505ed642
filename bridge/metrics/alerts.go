package metrics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
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
	// Rule is the rule of the server that it belongs to.
	Rule *EvaluatedRule
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
	// Rules are the alert rules in the answer.
	Rules []EvaluatedRule
	// Recorded holds the expressions of the recording rules by what they record.
	Recorded map[string][]string
	// Warnings are what the server says that the answer may lack.
	Warnings []string
}

// EvaluatedRule is an alert rule as the server that evaluates it tells of it.
type EvaluatedRule struct {
	File, Group, Name string
	Query             string
	Labels            map[string]string
	// Interval is the time between two evaluations.
	Interval time.Duration
	RuleState
}

// Alerts returns the state of all alert rules. It waits for the answer as long as the
// configuration allows.
func (c *Client) Alerts(ctx context.Context) (AlertState, error) {
	ctx, answer := withAnswer(ctx)
	result, err := patient(ctx, c.timeout, func(ctx context.Context) (promv1.RulesResult, error) { return c.api.Rules(ctx, nil) })
	if err != nil {
		return AlertState{}, err
	}
	// No rules at all are an empty list. Without a list, nothing was said.
	if result.Groups == nil {
		return AlertState{}, fmt.Errorf("%w: its answer holds no list of rule groups", ErrUnavailable)
	}
	state := AlertState{Recorded: map[string][]string{}, Warnings: answer.warnings()}
	for i := range result.Groups {
		group := &result.Groups[i]
		for _, rule := range group.Rules {
			switch rule := rule.(type) {
			case promv1.AlertingRule:
				state.add(group, rule)
			case promv1.RecordingRule:
				state.Recorded[rule.Name] = append(state.Recorded[rule.Name], rule.Query)
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

// and is the state of several rules of one name: the worst health, and the oldest
// evaluation.
func (s RuleState) and(other RuleState) RuleState {
	if s.Health == "" {
		return other
	}
	worse := func(health string) int {
		return slices.Index([]string{string(promv1.RuleHealthGood), string(promv1.RuleHealthUnknown), string(promv1.RuleHealthBad)}, health)
	}
	if worse(other.Health) > worse(s.Health) {
		s.Health, s.LastError = other.Health, other.LastError
	}
	if other.LastEvaluation.Before(s.LastEvaluation) {
		s.LastEvaluation = other.LastEvaluation
	}
	s.Firing, s.Pending = s.Firing+other.Firing, s.Pending+other.Pending

	return s
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
				states[alerting.Name] = states[alerting.Name].and(newRuleState(alerting))
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

func (s *AlertState) add(group *promv1.RuleGroup, rule promv1.AlertingRule) {
	from := &EvaluatedRule{
		File: group.File, Group: group.Name, Name: rule.Name, Query: rule.Query, Labels: stringMap(rule.Labels),
		Interval: time.Duration(group.Interval * float64(time.Second)), RuleState: newRuleState(rule),
	}
	s.Rules = append(s.Rules, *from)
	for _, a := range rule.Alerts {
		switch a.State {
		case promv1.AlertStateFiring:
			s.Firing = append(s.Firing, newFiring(from, rule, a))
		case promv1.AlertStatePending:
			s.Pending = append(s.Pending, newFiring(from, rule, a))
		case promv1.AlertStateInactive:
		}
	}
}

func newFiring(from *EvaluatedRule, rule promv1.AlertingRule, a *promv1.Alert) FiringAlert {
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
		Labels:      withRuleLabels(stringMap(a.Labels), rule.Labels),
		Annotations: stringMap(a.Annotations),
		Query:       rule.Query,
		Rule:        from,
		Since:       a.ActiveAt,
		Fired:       a.ActiveAt.Add(time.Duration(rule.Duration * float64(time.Second))),
		Value:       value,
	}
}

// withRuleLabels adds the labels of an alert's rule that the alert lacks. A server
// evaluates with them, so they are there already; one that gathers the rules of
// several clusters tells them apart by labels that it gives to the rules alone.
func withRuleLabels(labels map[string]string, rule model.LabelSet) map[string]string {
	for name, value := range rule {
		// A template may have expanded to nothing, which is no label.
		if _, has := labels[string(name)]; !has && value != "" && !strings.Contains(string(value), "{{") {
			labels[string(name)] = string(value)
		}
	}

	return labels
}

func stringMap(set model.LabelSet) map[string]string {
	out := make(map[string]string, len(set))
	for k, v := range set {
		out[string(k)] = string(v)
	}

	return out
}

// ErrNotTold is the error of what a server does not tell: not every
// Prometheus-compatible one shows its configuration or when it was started.
var ErrNotTold = errors.New("the server does not tell")

// ExternalLabels returns the labels that the server adds to every alert that it
// pushes. Where it does not tell them, the error wraps ErrNotTold.
func (c *Client) ExternalLabels(ctx context.Context) (map[string]string, error) {
	answer, err := patient(ctx, c.timeout, c.api.Config)
	if err != nil {
		return nil, err
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
