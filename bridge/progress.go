package bridge

import (
	"fmt"
	"time"

	"llmwatch/bridge/metrics"
)

// progress remembers when each rule was seen to be evaluated again. It goes by this
// machine's clock: the server's may be wrong.
type progress map[string]evaluation

type evaluation struct {
	at    time.Time // The latest one that the server told.
	since time.Time // Since when it tells that one.
	again bool      // It was seen to tell an earlier one before.
}

func ruleKey(r *metrics.EvaluatedRule) string {
	return fmt.Sprint(r.File, "\xff", r.Group, "\xff", r.Name, "\xff", r.Labels, "\xff", r.Query)
}

// note takes in when the rules were last evaluated, and forgets those that are gone.
func (p *progress) note(rules []metrics.EvaluatedRule, now time.Time) {
	next := make(progress, len(rules))
	for i := range rules {
		key := ruleKey(&rules[i])
		e, known := (*p)[key]
		if !known || e.at.Before(rules[i].LastEvaluation) {
			e = evaluation{at: rules[i].LastEvaluation, since: now, again: known}
		}
		next[key] = e
	}
	*p = next
}

// stalled reports that a rule was not evaluated in its last two intervals and a
// minute, or that it is not known to have been, or that the server has told of a
// later evaluation before: of two servers behind one address, one may be behind.
func (p *progress) stalled(r *metrics.EvaluatedRule, now time.Time) bool {
	bound := 2*r.Interval + time.Minute
	if r.LastEvaluation.Before((*p)[ruleKey(r)].at) {
		return true
	}
	if age := now.Sub(r.LastEvaluation); age <= bound && age >= -bound {
		return false
	}
	e := (*p)[ruleKey(r)]

	return !e.again || now.Sub(e.since) > bound
}
