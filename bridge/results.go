package bridge

import (
	"maps"
	"slices"
	"strings"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// results are the series that an expression yields, by the names of their labels.
// Thousands of alerts may look for theirs.
type results struct {
	groups map[string][]map[string]string
	values map[string]map[string]bool // Of each label.
	sets   map[string]map[string]bool // The fingerprints of what was compared.
}

func newResults(series []map[string]string) *results {
	r := &results{groups: map[string][]map[string]string{}, values: map[string]map[string]bool{}, sets: map[string]map[string]bool{}}
	for _, labels := range series {
		key := strings.Join(slices.Sorted(maps.Keys(labels)), "\xff")
		r.groups[key] = append(r.groups[key], labels)
		for name, value := range labels {
			if r.values[name] == nil {
				r.values[name] = map[string]bool{}
			}
			r.values[name][value] = true
		}
	}

	return r
}

// match reports whether one of the series is that of the alert: it has the labels
// that the alert has from its series, or, where not exactly, no other ones.
func (r *results) match(a *alert.Alert, rule *metrics.EvaluatedRule, exactly bool) bool {
	own := maps.Clone(a.Labels)
	delete(own, "alertname")
	if a.Rule != nil {
		maps.DeleteFunc(own, func(name, _ string) bool { _, added := a.Rule.External[name]; return added })
	}
	// A rule gives labels in place of those of the series, but for a server that
	// gathers several clusters: it tells both their rules and their series by them.
	maps.DeleteFunc(own, func(name, value string) bool { _, given := rule.Labels[name]; return given && !r.values[name][value] })
	for key, group := range r.groups {
		var common []string
		for name := range group[0] {
			if _, has := own[name]; has {
				common = append(common, name)
			}
		}
		if exactly && (len(common) != len(own) || !onlyGiven(group[0], own, rule)) {
			continue
		}
		slices.Sort(common)
		if r.set(key, group, common)[fingerprint(own, common)] {
			return true
		}
	}

	return false
}

// onlyGiven reports whether a series has no labels but the alert's own and those
// that the rule gives in their place.
func onlyGiven(series, own map[string]string, rule *metrics.EvaluatedRule) bool {
	for name := range series {
		if _, has := own[name]; has {
			continue
		}
		if _, given := rule.Labels[name]; !given {
			return false
		}
	}

	return true
}

// set holds the series of a group by those of their labels.
func (r *results) set(key string, group []map[string]string, names []string) map[string]bool {
	full := key + "\xfe" + strings.Join(names, "\xff")
	if known, ok := r.sets[full]; ok {
		return known
	}
	made := make(map[string]bool, len(group))
	for _, labels := range group {
		made[fingerprint(labels, names)] = true
	}
	r.sets[full] = made

	return made
}

func fingerprint(labels map[string]string, names []string) string {
	some := make(map[string]string, len(names))
	for _, name := range names {
		some[name] = labels[name]
	}

	return alert.Fingerprint(some)
}
