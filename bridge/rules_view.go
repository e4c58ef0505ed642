package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/gorilla/mux"
	"github.com/prometheus/common/model"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
	"llmwatch/bridge/ruleset"
)

// Where a rule comes from.
const (
	originDefault = "default"
	originCustom  = "custom"
	originFile    = "file" // A rule file that llmwatch did not write.
)

// ruleView is a rule as the API shows it.
type ruleView struct {
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Severity    alert.Severity    `json:"severity"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Cooldown    *string           `json:"cooldown"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Enabled     bool              `json:"enabled"`
	Default     bool              `json:"default"`
	Overridden  bool              `json:"overridden"`
	Origin      string            `json:"origin"`
	// Group and File are where the metrics server has it; File is empty where that
	// is not known.
	Group     string       `json:"group"`
	File      string       `json:"file"`
	CreatedAt metrics.Time `json:"created_at"`
	UpdatedAt metrics.Time `json:"updated_at"`
	State     *ruleState   `json:"state"`
}

// recordingView is a rule that records a series.
type recordingView struct {
	Name   string            `json:"name"`
	Expr   string            `json:"expr"`
	Labels map[string]string `json:"labels"`
	Group  string            `json:"group"`
	File   string            `json:"file"`
	State  *ruleState        `json:"state"`
}

type ruleState struct {
	Health            string       `json:"health"`
	LastError         string       `json:"last_error"`
	LastEvaluation    metrics.Time `json:"last_evaluation"`
	EvaluationSeconds float64      `json:"evaluation_seconds"`
	Firing            int          `json:"firing"`
	Pending           int          `json:"pending"`
}

func viewState(s *metrics.EvaluatedRule) *ruleState {
	return &ruleState{
		s.Health, s.LastError, metrics.Time{Time: s.LastEvaluation}, s.EvaluationTime.Seconds(), s.Firing, s.Pending,
	}
}

// viewRule shows a rule of the rule set; state is nil where the metrics server says
// nothing of it.
func viewRule(r *ruleset.Rule, state *metrics.EvaluatedRule) ruleView {
	v := ruleView{
		Name: r.Name, Description: r.Description, Severity: r.Severity, Expr: r.Expr,
		For:    model.Duration(r.For).String(),
		Labels: notNil(r.Labels), Annotations: notNil(r.Annotations),
		Enabled: !r.Disabled, Default: r.Default, Overridden: r.Overridden,
		Origin: originCustom, Group: r.Group,
		CreatedAt: metrics.Time{Time: r.CreatedAt}, UpdatedAt: metrics.Time{Time: r.UpdatedAt},
	}
	if r.Default {
		v.Origin = originDefault
	}
	if r.Cooldown > 0 {
		cooldown := model.Duration(r.Cooldown).String()
		v.Cooldown = &cooldown
	}
	if state != nil {
		v.File = state.File
	}
	switch {
	case r.Broken != nil:
		v.State = &ruleState{Health: "err", LastError: r.Broken.Error()}
	case state != nil && !r.Disabled:
		v.State = viewState(state)
	}

	return v
}

// viewFileRule shows a rule of a file that llmwatch did not write.
func viewFileRule(s *metrics.EvaluatedRule) ruleView {
	r := ruleset.Rule{Rule: ruleset.FromFile(s.Name, s.Query, s.For, s.Labels, s.Annotations), Group: s.Group}
	v := viewRule(&r, s)
	v.Origin = originFile

	return v
}

// loadedRules are the rules that the metrics server has, but for those that were
// taken.
type loadedRules struct {
	states []metrics.EvaluatedRule
	// err says why they are not known.
	err error
}

// loadedRules asks the metrics server. Rules are shown without their state while it
// does not answer.
func (s *server) loadedRules(ctx context.Context) *loadedRules {
	states, err := s.Metrics.Rules(ctx)
	if err != nil {
		s.Logger.DebugContext(ctx, "rules are shown without their state", "err", err)
	}

	return &loadedRules{slices.Clone(states), err}
}

// take returns the state of a rule of the rule set, nil where the server has no such
// rule, and takes it out.
func (l *loadedRules) take(r *ruleset.Rule) *metrics.EvaluatedRule {
	i := slices.IndexFunc(l.states, func(s metrics.EvaluatedRule) bool { return !s.Recording && s.Name == r.Name && s.Group == r.Group })
	if i < 0 {
		return nil
	}
	state := l.states[i]
	l.states = slices.Delete(l.states, i, i+1)

	return &state
}

// views are the rules of the rule set and those that only the metrics server knows,
// by name; and of the recording rules all.
func (l *loadedRules) views(all []ruleset.Rule) (views []ruleView, recording []recordingView) {
	views, recording = []ruleView{}, []recordingView{}
	for i := range all {
		views = append(views, viewRule(&all[i], l.take(&all[i])))
	}
	for i := range l.states {
		s := &l.states[i]
		if s.Recording {
			recording = append(recording, recordingView{s.Name, s.Query, notNil(s.Labels), s.Group, s.File, viewState(s)})
		} else {
			views = append(views, viewFileRule(s))
		}
	}
	slices.SortStableFunc(views, func(a, b ruleView) int { return cmp.Compare(a.Name, b.Name) })

	return views, recording
}

// noStates is what a list of rules warns of where the metrics server is away.
const noStates = "the metrics server does not answer: the state of the rules is not known, and rules of rule files are missing"

func (s *server) rules(w http.ResponseWriter, r *http.Request) error {
	all, err := s.Rules.List(r.Context())
	if err != nil {
		return err
	}
	loaded := s.loadedRules(r.Context())
	warnings := []string{}
	if loaded.err != nil {
		warnings = append(warnings, noStates)
	}
	views, recording := loaded.views(all)

	return answerJSON(w, struct {
		list
		Recording []recordingView `json:"recording"`
		Warnings  []string        `json:"warnings"`
	}{list{Success: true, Data: views, Count: len(views)}, recording, warnings})
}

// rule answers with the first rule of that name in that group, if one is given.
func (s *server) rule(w http.ResponseWriter, r *http.Request) error {
	name, group := mux.Vars(r)["name"], r.URL.Query().Get("group")
	var managed []ruleset.Rule
	rule, err := s.Rules.Get(r.Context(), name)
	if err == nil {
		managed = append(managed, rule)
	} else if !errors.Is(err, alert.ErrNotFound) {
		return err
	}
	loaded := s.loadedRules(r.Context())
	views, _ := loaded.views(managed)
	for i := range views {
		if views[i].Name == name && (group == "" || views[i].Group == group) {
			return answerJSON(w, single{Success: true, Data: views[i]})
		}
	}
	if loaded.err != nil {
		return loaded.err // It may be in a rule file.
	}

	return explainRule(name, alert.ErrNotFound)
}

// refuseFileRule refuses to change a rule that is only in a rule file of somebody
// else. While the metrics server does not tell, nothing is refused.
func (s *server) refuseFileRule(ctx context.Context, name string) error {
	if _, err := s.Rules.Get(ctx, name); !errors.Is(err, alert.ErrNotFound) {
		return nil
	}
	for _, state := range s.loadedRules(ctx).states {
		if !state.Recording && state.Name == name {
			return &Error{http.StatusConflict, CodeReadOnly, fmt.Sprintf("rule %q is in group %q of %s, and is changed there", short(name), short(state.Group), state.File)}
		}
	}

	return nil
}
