package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/mux"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/ruleset"
)

// Rules is what people do with alert rules. *ruleset.Set does.
type Rules interface {
	List(ctx context.Context) ([]ruleset.Rule, error)
	Get(ctx context.Context, name string) (ruleset.Rule, error)
	Create(ctx context.Context, c ruleset.Change) (ruleset.Rule, error)
	Put(ctx context.Context, c ruleset.Change) (rule ruleset.Rule, created bool, err error)
	Delete(ctx context.Context, name string) (ruleset.Rule, error)
}

func (s *server) createRule(w http.ResponseWriter, r *http.Request) error {
	change, err := readRule(w, r)
	if err != nil {
		return err
	}
	if change.Name == "" {
		return invalidParameter("name is missing")
	}
	rule, err := s.Rules.Create(r.Context(), change)
	if err != nil {
		return explainRule(change.Name, err)
	}

	return s.answerRule(w, r, http.StatusCreated, &rule)
}

func (s *server) putRule(w http.ResponseWriter, r *http.Request) error {
	name := mux.Vars(r)["name"]
	change, err := readRule(w, r)
	if err != nil {
		return err
	}
	if change.Name != "" && change.Name != name {
		return invalidParameter(fmt.Sprintf("name must be %q as in the path, or absent, got %q: a rule cannot be renamed", short(name), short(change.Name)))
	}
	change.Name = name
	if err := s.refuseFileRule(r.Context(), name); err != nil {
		return err
	}
	var rule ruleset.Rule
	var created bool
	err = s.changeRule(r, name, func(ctx context.Context) (after *ruleset.Rule, err error) {
		rule, created, err = s.Rules.Put(ctx, change)

		return &rule, err
	})
	if err != nil {
		return explainRule(name, err)
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}

	return s.answerRule(w, r, status, &rule)
}

func (s *server) deleteRule(w http.ResponseWriter, r *http.Request) error {
	name := mux.Vars(r)["name"]
	if err := s.refuseFileRule(r.Context(), name); err != nil {
		return err
	}
	var was ruleset.Rule
	err := s.changeRule(r, name, func(ctx context.Context) (after *ruleset.Rule, err error) {
		if was, err = s.Rules.Delete(ctx, name); err != nil || !was.Default {
			return nil, err
		}
		reset, err := s.Rules.Get(ctx, name)

		return &reset, err
	})
	if err != nil {
		return explainRule(name, err)
	}
	message := "Rule " + name + " deleted"
	if was.Default {
		message = "Rule " + name + " is as it came again"
	}

	return answerJSON(w, struct {
		Success bool   `json:"success"`
		Message string `json:"message"`
	}{true, message})
}

func (s *server) answerRule(w http.ResponseWriter, r *http.Request, status int, rule *ruleset.Rule) error {
	loaded := s.loadedRules(r.Context())
	a, err := render(single{Success: true, Data: viewRule(rule, loaded.take(rule))}, 0)
	if err != nil {
		return err
	}
	if status == http.StatusCreated {
		w.Header().Set("Location", Base+"/rules/"+url.PathEscape(rule.Name))
	}
	writeBody(w, status, a.body)

	return nil
}

// explainRule decides what a caller sees of an error about a rule.
func explainRule(name string, err error) error {
	if invalid, ok := errors.AsType[*ruleset.InvalidError](err); ok {
		return invalidParameter(invalid.Message)
	}
	refused, notLoaded := errors.AsType[*ruleset.LoadError](err)
	switch {
	case errors.Is(err, alert.ErrNotFound):
		return &Error{http.StatusNotFound, CodeNotFound, fmt.Sprintf("there is no rule %q; %s/rules lists them", short(name), Base)}
	case errors.Is(err, alert.ErrExists):
		return &Error{http.StatusConflict, CodeExists, fmt.Sprintf("there is a rule %q already; PUT %s/rules/%s changes it", name, Base, name)}
	case errors.Is(err, ruleset.ErrDefault):
		return &Error{http.StatusConflict, CodeDefaultRule, fmt.Sprintf(
			`%q is a default rule and cannot be deleted; PUT {"enabled": false} to %s/rules/%s disables it`, name, Base, name)}
	case errors.Is(err, ruleset.ErrReadOnly):
		return &Error{http.StatusConflict, CodeReadOnly, refused.Err.Error()}
	case notLoaded:
		return &Error{http.StatusServiceUnavailable, CodeRulesNotLoaded, refused.Error() + "; nothing has changed"}
	default:
		return err
	}
}

// readRule reads the body that says what a rule is to be.
func readRule(w http.ResponseWriter, r *http.Request) (ruleset.Change, error) {
	var change ruleset.Change
	body, err := readBody(w, r, maxRuleBody)
	if err != nil {
		return change, err
	}
	var ask struct {
		Name        string            `json:"name"`
		Description *string           `json:"description"`
		Severity    *string           `json:"severity"`
		Expr        *string           `json:"expr"`
		For         *span             `json:"for"`
		Cooldown    *span             `json:"cooldown"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		Enabled     *bool             `json:"enabled"`
	}
	if err := decodeStrictly(body, &ask); err != nil {
		return change, err
	}

	return ruleset.Change{
		Name: ask.Name, Description: ask.Description, Severity: ask.Severity, Expr: ask.Expr,
		For: (*time.Duration)(ask.For), Cooldown: (*time.Duration)(ask.Cooldown),
		Labels: ask.Labels, Annotations: ask.Annotations, Enabled: ask.Enabled,
	}, nil
}

// maxRuleBody is more than any rule that is accepted.
const maxRuleBody = 1 << 20

// decodeStrictly refuses unknown fields: a typing error in a rule must not leave
// it as it was and look like success.
func decodeStrictly(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil && decoder.More() {
		err = errors.New("something follows it")
	}
	if invalid, ok := errors.AsType[*spanError](err); ok {
		return invalidParameter(invalid.Error())
	}
	if err != nil {
		return &Error{http.StatusBadRequest, CodeBadRequest, "the body must be one JSON object: " + short(err.Error())}
	}

	return nil
}

// span is a duration: text as in rule files, or a number of seconds.
type span time.Duration

type spanError struct{ got string }

func (e *spanError) Error() string {
	return "for and cooldown must be a duration such as 10m, or a number of seconds, got " + short(e.got)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *span) UnmarshalJSON(text []byte) error {
	var seconds float64
	if json.Unmarshal(text, &seconds) == nil && seconds >= 0 && seconds < math.MaxInt64/float64(time.Second) {
		*s = span(seconds * float64(time.Second))
		return nil
	}
	var words string
	if json.Unmarshal(text, &words) == nil {
		if d, err := alert.ParseDuration(words); err == nil {
			*s = span(d)
			return nil
		}
	}

	return &spanError{string(text)}
}
