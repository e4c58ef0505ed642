package alert

import (
	"slices"
	"time"
)

// advance plans on what Reconcile made of the alerts, and gathers both into one
// transition for each alert that changes. It uses up previous, which is a copy of
// its own of thousands of alerts.
func advance(previous []Alert, steps []Transition, p Policy, sent History, now time.Time) ([]Transition, []Notification) {
	current := slices.Grow(previous, len(steps))
	at := make(map[string]int, len(previous))
	for i := range previous {
		at[previous[i].ID] = i
	}
	stepOf := make(map[string]int, len(steps))
	for i := range steps {
		id := steps[i].Alert.ID
		stepOf[id] = i
		if j, known := at[id]; known {
			current[j] = steps[i].Alert
		} else {
			current = append(current, steps[i].Alert)
		}
	}
	decision := Plan(current, p, sent, now)
	for _, c := range decision.Changes {
		i, stepped := stepOf[c.Alert.ID]
		if !stepped {
			steps = append(steps, c)

			continue
		}
		steps[i].Alert = c.Alert
		steps[i].Events = append(steps[i].Events, c.Events...)
	}

	return steps, decision.Notifications
}
