package alert

import (
	"slices"
	"time"
)

// Sender says until when it holds that a pushed alert fires.
type Sender struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until"`
}

// maxSenders bounds the senders of an alert that are told apart.
const maxSenders = 16

// Senders are those of one alert, each once. They are few, and alerts are many:
// a slice takes a tenth of what a map does. Nobody changes one that is in use.
type Senders []Sender

// until returns until when a sender holds that the alert fires.
func (s Senders) until(name string) (until time.Time, known bool) {
	if i := s.index(name); i >= 0 {
		return s[i].Until, true
	}

	return time.Time{}, false
}

func (s Senders) index(name string) int {
	return slices.IndexFunc(s, func(one Sender) bool { return one.Name == name })
}

// latest is until when the last of them holds that the alert fires.
func (s Senders) latest() time.Time {
	var end time.Time
	for _, one := range s {
		if one.Until.After(end) {
			end = one.Until
		}
	}

	return end
}

// at returns those that hold at a moment that the alert fires.
func (s Senders) at(now time.Time) Senders {
	return slices.DeleteFunc(slices.Clone(s), func(one Sender) bool { return !one.Until.After(now) })
}

// without returns all but one.
func (s Senders) without(name string) Senders {
	return slices.DeleteFunc(slices.Clone(s), func(one Sender) bool { return one.Name == name })
}

// with returns those that hold now that the alert fires, and the sender among
// them. Past maxSenders the rest counts as one without a name.
func (s Senders) with(name string, until, now time.Time) Senders {
	if len(s) == 0 {
		return Senders{{name, until}}
	}
	next := s.at(now)
	i := next.index(name)
	if i < 0 && len(next) >= maxSenders {
		name = ""
		i = next.index(name)
	}
	if i < 0 {
		return append(next, Sender{name, until})
	}
	next[i].Until = until

	return next
}

// endingBy returns them with no end after that one.
func (s Senders) endingBy(end time.Time) Senders {
	next := slices.Clone(s)
	for i := range next {
		if next[i].Until.After(end) {
			next[i].Until = end
		}
	}

	return next
}
