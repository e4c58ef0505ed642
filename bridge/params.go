package bridge

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"llmwatch/bridge/alert"
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

// short keeps an error readable whatever was sent.
func short(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}

	return text[:most] + "..."
}
