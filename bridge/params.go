package bridge

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// Bounds of the documented parameters: 30 days.
const (
	maxMinutes = 43_200
	maxHours   = 720
	maxLimit   = 10_000
)

// checkQuery refuses what url.Values would silently leave out.
func checkQuery(query string) error {
	if _, err := url.ParseQuery(query); err != nil {
		return invalidParameter("the query string cannot be read: " + short(err.Error()))
	}

	return nil
}

// wholeNumber reads a parameter that must be a whole number within bounds.
func wholeNumber(q url.Values, name string, fallback, least, most int) (int, error) {
	if !q.Has(name) {
		return fallback, nil
	}
	text := q.Get(name)
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, invalidParameter(fmt.Sprintf("%s must be a whole number from %d to %d, got %q", name, least, most, short(text)))
	}

	return n, nil
}

// oneOf reads a parameter that must be one of a few words, or absent.
func oneOf(q url.Values, name string, allowed ...string) (string, error) {
	if !q.Has(name) {
		return "", nil
	}
	text := q.Get(name)
	if !slices.Contains(allowed, text) {
		return "", invalidParameter(fmt.Sprintf("%s must be one of %s, got %q", name, strings.Join(allowed, ", "), short(text)))
	}

	return text, nil
}

// listed returns the values of a parameter that may be repeated or hold several
// separated by commas.
func listed(q url.Values, name string) []string {
	var all []string
	for _, value := range q[name] {
		for one := range strings.SplitSeq(value, ",") {
			if one = strings.TrimSpace(one); one != "" {
				all = append(all, one)
			}
		}
	}

	return all
}

// someOf reads one of the allowed words or several; nil where the parameter is not
// given.
func someOf[T ~string](q url.Values, name string, allowed ...T) ([]T, error) {
	if !q.Has(name) {
		return nil, nil
	}
	texts := listed(q, name)
	if len(texts) == 0 {
		texts = q[name]
	}
	chosen := make([]T, len(texts))
	for i, text := range texts {
		if chosen[i] = T(text); !slices.Contains(allowed, chosen[i]) {
			words := make([]string, len(allowed))
			for i, word := range allowed {
				words[i] = string(word)
			}

			return nil, invalidParameter(fmt.Sprintf("%s must be some of %s, got %q", name, strings.Join(words, ", "), short(text)))
		}
	}

	return chosen, nil
}

// moment reads a time: RFC 3339, or a duration back from now such as -1h.
func moment(q url.Values, name string, now time.Time) (time.Time, error) {
	text := q.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	if back, ok := strings.CutPrefix(text, "-"); ok {
		if d, err := alert.ParseDuration(back); err == nil {
			return now.Add(-d), nil
		}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, invalidParameter(fmt.Sprintf("%s must be a time such as 2024-01-15T10:30:45Z or -1h, got %q", name, short(text)))
	}

	return at, nil
}

// period is the time that a question is about.
type period struct {
	start, end time.Time
	// given says that start or end were asked for, not a length up to now.
	given bool
}

// periods are those that a path takes: start and end, or else a number of units up
// to now. Without a start they are as long as without any of them.
type periods struct {
	name           string // Of the number.
	unit           time.Duration
	fallback, most int
	// measured ones are of milliseconds, end now at the latest and are not longer
	// than the most units.
	measured bool
}

var (
	logPeriods     = periods{name: "hours", unit: time.Hour, fallback: 24, most: maxHours}
	samplePeriods  = periods{name: "minutes", unit: time.Minute, fallback: 60, most: maxMinutes, measured: true}
	summaryPeriods = periods{name: "hours", unit: time.Hour, fallback: 24, most: maxHours, measured: true}
)

// maxAhead is by how much an end may be in the future that is taken for now, and a
// period longer than the longest: the clocks of browsers differ.
const maxAhead = time.Minute

// read reads the period that a request is about.
func (ps *periods) read(q url.Values, now time.Time) (period, error) {
	n, err := wholeNumber(q, ps.name, ps.fallback, 1, ps.most)
	if err != nil {
		return period{}, err
	}
	start, err := moment(q, "start", now)
	if err != nil {
		return period{}, err
	}
	end, err := moment(q, "end", now)
	if err != nil {
		return period{}, err
	}
	p := period{start, end, !start.IsZero() || !end.IsZero()}
	if p.given && q.Has(ps.name) {
		return period{}, invalidParameter(ps.name + " and start or end exclude each other; give one or the other")
	}
	if ps.measured && end.After(now.Add(maxAhead)) {
		return period{}, invalidParameter(fmt.Sprintf("end must not be in the future, got %q; here it is %s", short(q.Get("end")), now.UTC().Format(time.RFC3339)))
	}
	if end.IsZero() || ps.measured && end.After(now) {
		p.end = now
	}
	if start.IsZero() {
		p.start = p.end.Add(-time.Duration(n) * ps.unit)
	}
	if ps.measured {
		p.start, p.end = p.start.Truncate(time.Millisecond), p.end.Truncate(time.Millisecond)
	}
	if !p.start.Before(p.end) {
		return period{}, invalidParameter(fmt.Sprintf("start must be before end, got %q and %q", short(q.Get("start")), short(cmp.Or(q.Get("end"), "now"))))
	}
	if most := time.Duration(ps.most) * ps.unit; ps.measured && p.length() > most+maxAhead {
		return period{}, invalidParameter(fmt.Sprintf("start and end must be at most %d %s apart, got %d", ps.most, ps.name, p.in(ps.unit)))
	}

	return p, nil
}

func (p period) length() time.Duration { return p.end.Sub(p.start) }

// in is how many units the period has, begun ones included.
func (p period) in(unit time.Duration) int { return int((p.length()-1)/unit + 1) }

// bounds are shown in answers where they were given.
type bounds struct {
	Start metrics.Time `json:"start,omitzero"`
	End   metrics.Time `json:"end,omitzero"`
}

func (p period) bounds() bounds {
	if !p.given {
		return bounds{}
	}

	return bounds{metrics.Time{Time: p.start}, metrics.Time{Time: p.end}}
}

// short keeps an error readable whatever was sent.
func short(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}

	return text[:most] + "..."
}
