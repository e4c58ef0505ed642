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

// EvaluatedRule is a rule as the server that evaluates it tells of it.
type EvaluatedRule struct {
	File, Group, Name string
	// Recording says that the rule records a series and fires nothing.
	Recording bool
	// Query is the rule's expression as the server writes it, For how long it must
	// hold.
	Query       string
	For         time.Duration
	Labels      map[string]string
	Annotations map[string]string
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
	if err := checkAnswered(result); err != nil {
		return AlertState{}, err
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

// checkAnswered says whether an answer tells of rules. No rules at all are an empty list;
// without a list, nothing was said.
func checkAnswered(result promv1.RulesResult) error {
	if result.Groups == nil {
		return fmt.Errorf("%w: its answer holds no list of rule groups", ErrUnavailable)
	}

	return nil
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

// RuleState is what a metrics server says of the evaluation of a rule.
type RuleState struct {
	// Health is ok, err, or unknown until the first evaluation.
	Health string
	// LastError says why the last evaluation failed; empty when it did not.
	LastError      string
	LastEvaluation time.Time
	// EvaluationTime is how long the last evaluation took.
	EvaluationTime time.Duration
	Firing         int
	Pending        int
}

// Fails reports whether the last evaluation failed.
func (s *RuleState) Fails() bool { return s.Health == string(promv1.RuleHealthBad) }

// Rules returns all rules, in the order in which the server has them. Rules may have
// the same name, even in one group.
func (c *Client) Rules(ctx context.Context) ([]EvaluatedRule, error) {
	ctx, cancel := context.WithTimeout(ctx, minTimeout)
	defer cancel()
	result, err := c.api.Rules(ctx, nil)
	if err != nil {
		return nil, classify(err)
	}
	if err := checkAnswered(result); err != nil {
		return nil, err
	}
	rules := []EvaluatedRule{}
	for i := range result.Groups {
		group := &result.Groups[i]
		for _, rule := range group.Rules {
			switch rule := rule.(type) {
			case promv1.AlertingRule:
				rules = append(rules, newAlertingRule(group, rule))
			case promv1.RecordingRule:
				rules = append(rules, newRecordingRule(group, rule))
			}
		}
	}

	return rules, nil
}

func newAlertingRule(group *promv1.RuleGroup, rule promv1.AlertingRule) EvaluatedRule {
	r := EvaluatedRule{
		File: group.File, Group: group.Name, Name: rule.Name, Query: rule.Query, For: seconds(rule.Duration),
		Labels: stringMap(rule.Labels), Annotations: stringMap(rule.Annotations), Interval: seconds(group.Interval),
		RuleState: newRuleState(rule.Health, rule.LastError, rule.LastEvaluation, rule.EvaluationTime),
	}
	for _, a := range rule.Alerts {
		switch a.State {
		case promv1.AlertStateFiring:
			r.Firing++
		case promv1.AlertStatePending:
			r.Pending++
		case promv1.AlertStateInactive:
		}
	}

	return r
}

func newRecordingRule(group *promv1.RuleGroup, rule promv1.RecordingRule) EvaluatedRule {
	return EvaluatedRule{
		File: group.File, Group: group.Name, Name: rule.Name, Recording: true, Query: rule.Query,
		Labels: stringMap(rule.Labels), Annotations: map[string]string{}, Interval: seconds(group.Interval),
		RuleState: newRuleState(rule.Health, rule.LastError, rule.LastEvaluation, rule.EvaluationTime),
	}
}

func newRuleState(health promv1.RuleHealth, lastError string, at time.Time, took float64) RuleState {
	s := RuleState{Health: string(promv1.RuleHealthUnknown), LastError: lastError, LastEvaluation: at, EvaluationTime: seconds(took)}
	if health == promv1.RuleHealthGood || health == promv1.RuleHealthBad {
		s.Health = string(health)
	}

	return s
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (s *AlertState) add(group *promv1.RuleGroup, rule promv1.AlertingRule) {
	evaluated := newAlertingRule(group, rule)
	from := &evaluated
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
		Fired:       a.ActiveAt.Add(seconds(rule.Duration)),
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
