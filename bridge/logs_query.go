package bridge

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

// Bounds of one query. A pattern costs time in proportion to its size for each
// message it is tried on.
const (
	maxPattern      = 1000 // Bytes.
	maxInstructions = 2000
	maxWords        = 32
	maxFieldMatches = 32
	maxValues       = 100 // Of one parameter.
	fieldPrefix     = "field."
)

// logQuery reads the parameters of a page.
func (s *server) logQuery(r *http.Request, limit int) (logstore.Query, error) {
	q := r.URL.Query()
	filter, err := logFilter(q, s.Now())
	if err != nil {
		return logstore.Query{}, err
	}
	ask := logstore.Query{Filter: filter}
	if ask.Limit, err = wholeNumber(q, "limit", limit, 1, maxLogLimit); err != nil {
		return logstore.Query{}, err
	}
	order, err := oneOf(q, "order", "newest", "oldest")
	if err != nil {
		return logstore.Query{}, err
	}
	ask.Oldest = order == "oldest"
	if text := q.Get("cursor"); text != "" {
		after, err := entry.ParsePosition(text)
		if err != nil {
			return logstore.Query{}, invalidParameter(fmt.Sprintf("cursor must be the next_cursor of the page before, got %q", short(text)))
		}
		ask.After = &after
	}

	return ask, nil
}

// logFilter reads the parameters that say which entries are wanted.
func logFilter(q url.Values, now time.Time) (entry.Filter, error) {
	var f entry.Filter
	if err := timeBounds(q, now, &f); err != nil {
		return f, err
	}
	for _, name := range listed(q, "level") {
		level, ok := entry.ParseLevel(name)
		if !ok {
			return f, invalidParameter(fmt.Sprintf("level must be some of DEBUG, INFO, WARNING, ERROR, CRITICAL, got %q", short(name)))
		}
		f.Levels |= 1 << level
	}
	f.Loggers = listed(q, "logger")
	if len(f.Loggers) > maxValues {
		return f, invalidParameter(fmt.Sprintf("logger must name at most %d loggers, got %d", maxValues, len(f.Loggers)))
	}
	f.Words = strings.Fields(strings.Join(q["text"], " "))
	if len(f.Words) > maxWords {
		return f, invalidParameter(fmt.Sprintf("text must hold at most %d words, got %d", maxWords, len(f.Words)))
	}
	var err error
	if f.Pattern, err = logPattern(q.Get("pattern")); err != nil {
		return f, err
	}
	f.Fields, err = fieldMatches(q)

	return f, err
}

// timeBounds reads start, which is included, and end, which is not.
func timeBounds(q url.Values, now time.Time, f *entry.Filter) error {
	start, err := moment(q, "start", now)
	if err != nil {
		return err
	}
	end, err := moment(q, "end", now)
	if err != nil {
		return err
	}
	if !start.IsZero() && !end.IsZero() && end.Before(start) {
		return invalidParameter(fmt.Sprintf("start must not be after end, got %q and %q", short(q.Get("start")), short(q.Get("end"))))
	}
	if !start.IsZero() {
		f.From = nanoseconds(start)
	}
	if !end.IsZero() {
		f.Until = max(nanoseconds(end), 1) // 0 would be no bound; nothing is older.
	}

	return nil
}

// nanoseconds since 1970, kept within what an entry's time can be.
func nanoseconds(t time.Time) int64 {
	switch at := t.Unix(); {
	case at < 0:
		return 0
	case at >= math.MaxInt64/int64(time.Second): // In year 2262.
		return math.MaxInt64
	}

	return t.UnixNano()
}

// fieldMatches reads request_id and all field.NAME=VALUE.
func fieldMatches(q url.Values) ([]entry.FieldMatch, error) {
	var matches []entry.FieldMatch
	for parameter, values := range q {
		name, isField := strings.CutPrefix(parameter, fieldPrefix)
		if !isField && parameter != "request_id" {
			continue
		}
		if name == "" {
			return nil, invalidParameter("field. must be followed by the name of a field, such as field.user_id=42")
		}
		if len(values) > maxValues {
			return nil, invalidParameter(fmt.Sprintf("%s must have at most %d values, got %d", short(parameter), maxValues, len(values)))
		}
		matches = append(matches, entry.FieldMatch{Name: name, Values: values})
	}
	if len(matches) > maxFieldMatches {
		return nil, invalidParameter(fmt.Sprintf("at most %d fields can be asked for at once, got %d", maxFieldMatches, len(matches)))
	}
	slices.SortFunc(matches, func(a, b entry.FieldMatch) int { return strings.Compare(a.Name, b.Name) })

	return matches, nil
}

// logPattern reads a pattern for messages.
func logPattern(text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // No pattern is no pattern.
	}
	if len(text) > maxPattern {
		return nil, invalidParameter(fmt.Sprintf("pattern must be at most %d bytes long, got %d", maxPattern, len(text)))
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, invalidParameter("pattern must be a regular expression of RE2: " + whereInPattern(text, err))
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > maxInstructions {
		return nil, invalidParameter("pattern is too large once its repetitions are written out; use smaller ones, or *")
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, invalidParameter("pattern must be a regular expression of RE2: " + whereInPattern(text, err))
	}

	return compiled, nil
}

// whereInPattern says what is wrong with a pattern and at which character.
func whereInPattern(text string, err error) string {
	wrong, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return err.Error()
	}
	at := max(strings.Index(text, wrong.Expr), 0)
	switch wrong.Code { //nolint:exhaustive // The others show where they are.
	case syntax.ErrMissingParen, syntax.ErrTrailingBackslash:
		at = len(text) // The whole pattern is shown; what is missing would follow it.
	case syntax.ErrUnexpectedParen:
		at = unexpectedParen(text)
	}

	return fmt.Sprintf("%s at character %d of %q", wrong.Code, len([]rune(text[:at]))+1, short(text))
}

// unexpectedParen returns where a pattern begins to be wrong whose parser only
// says that a parenthesis is closed that was not opened.
func unexpectedParen(text string) int {
	for i := range len(text) {
		if text[i] != ')' {
			continue
		}
		if _, err := syntax.Parse(text[:i+1], syntax.Perl); err != nil && strings.Contains(err.Error(), syntax.ErrUnexpectedParen.String()) {
			return i
		}
	}

	return len(text)
}
