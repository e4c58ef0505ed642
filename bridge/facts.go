package bridge

import (
	"fmt"
	"slices"

	"llmwatch/bridge/alert"
)

// factLabel tells the parts of one answer apart.
const factLabel = "llmwatch_fact"

// facts are what there is to judge a rule's alerts by, at one moment and in one
// answer: behind one address there may be several servers.
type facts struct {
	err   error
	holds *results // Where the condition holds.
	data  *results // Where it can be judged.
	// answered are the targets of which each scrape of the last minutes succeeded,
	// partly those of which one did, and failed those of which one did not.
	answered, partly, failed []target
}

// target are the labels of what a server scrapes.
type target map[string]string

// factsExpr asks for all of them at once.
func factsExpr(in Inputs) string {
	part := func(expr, fact string) string {
		return fmt.Sprintf("label_replace(%s, %q, %q, \"\", \"\")", expr, factLabel, fact)
	}

	return part(in.Condition, "holds") + " or " + part(in.Expr, "data") + " or " +
		part("min by (job, instance) (min_over_time(up[5m])) == 1", "answered") + " or " +
		part("min by (job, instance) (min_over_time(up[5m])) < 1", "failed") + " or " +
		part("min by (job, instance) (max_over_time(up[5m])) == 1", "partly")
}

func newFacts(series []map[string]string, err error) *facts {
	byFact := map[string][]map[string]string{}
	for _, labels := range series {
		fact := labels[factLabel]
		delete(labels, factLabel)
		delete(labels, "__name__")
		byFact[fact] = append(byFact[fact], labels)
	}
	targets := func(fact string) []target {
		var all []target
		for _, labels := range byFact[fact] {
			all = append(all, labels)
		}

		return all
	}

	return &facts{
		err: err, holds: newResults(byFact["holds"]), data: newResults(byFact["data"]),
		answered: targets("answered"), partly: targets("partly"), failed: targets("failed"),
	}
}

// changed reports whether one of the targets that an alert may be about has gone or
// come back in the last minutes.
func (f *facts) changed(a *alert.Alert) bool {
	return slices.ContainsFunc(f.failed, func(t target) bool {
		return watches(a, t) && slices.ContainsFunc(f.partly, func(p target) bool {
			return p["job"] == t["job"] && p["instance"] == t["instance"]
		})
	})
}
