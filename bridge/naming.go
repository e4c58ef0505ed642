package bridge

import (
	"maps"

	"llmwatch/bridge/alert"
)

// naming gives the alerts that a server lists the labels by which they are known.
// The server adds its external labels to what it pushes and not to what it lists;
// the same alert must have the same labels both ways, and go on having them when
// the server does not tell them for a while, or others.
type naming struct {
	external map[string]string
	open     map[string]*alert.Alert // By the labels that the server lists.
}

func newNaming(external map[string]string, open []alert.Alert) *naming {
	n := &naming{external: external, open: make(map[string]*alert.Alert, len(open))}
	for i := range open {
		a := &open[i]
		if a.Status == alert.Resolved || a.Origin.Kind != alert.FromRule {
			continue
		}
		added := external // Of one that was stored before this was kept.
		if a.Rule != nil {
			added = a.Rule.External
		}
		listed := maps.Clone(a.Labels)
		maps.DeleteFunc(listed, func(name, value string) bool { return added[name] == value && value != "" })
		n.open[ruleIdentity(listed)] = a
	}

	return n
}

// of returns the labels of an alert that the server lists with these, and those of
// them that it does not list.
func (n *naming) of(listed map[string]string) (labels, external map[string]string) {
	labels, external = maps.Clone(listed), map[string]string{}
	added := n.external
	if a, ok := n.open[ruleIdentity(listed)]; ok {
		added = a.Labels
	}
	for name, value := range added {
		if _, has := labels[name]; !has {
			labels[name], external[name] = value, value
		}
	}

	return labels, external
}
