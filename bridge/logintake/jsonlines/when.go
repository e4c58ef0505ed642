package jsonlines

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Numbers from these on are milliseconds, microseconds and nanoseconds: as seconds
// they would be far in the future, and each the same moment in 1973.
const (
	firstMilli = 1e11
	firstMicro = 1e14
	firstNano  = 1e17
	// firstPlain is the least number that is a time even under a name that other
	// things have too.
	firstPlain = 1e8
)

// layouts are the forms that are tried after parseISO's.
var layouts = []string{
	time.RFC3339Nano, time.RFC1123Z, time.RFC1123, time.ANSIC, time.UnixDate, time.RFC850,
	"2006/01/02 15:04:05.999999999", "02/Jan/2006:15:04:05 -0700", "2006-01-02",
}

// parseTime reads a text as nanoseconds since 1970, which may be negative.
func parseTime(s string) (int64, bool) {
	if ns, ok := parseISO(s); ok {
		return ns, true
	}
	if ns, ok := parseEpoch(s); ok {
		return ns, true
	}
	if len(s) > 64 {
		return 0, false
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, strings.TrimSpace(s)); err == nil {
			return t.UnixNano(), t.Year() < 2262
		}
	}

	return 0, false
}

// parseISO reads 2024-01-15T10:30:45.123Z: also with a space or t for the T, a
// comma for the point, up to 9 digits, any offset or none, which is UTC.
func parseISO(s string) (int64, bool) {
	const whole = len("2006-01-02T15:04:05")
	if len(s) < whole || s[4] != '-' || s[7] != '-' || s[13] != ':' || s[16] != ':' || (s[10] != 'T' && s[10] != ' ' && s[10] != 't') {
		return 0, false
	}
	year1, ok1 := two(s[0:])
	year2, ok2 := two(s[2:])
	month, ok3 := two(s[5:])
	day, ok4 := two(s[8:])
	hour, ok5 := two(s[11:])
	minute, ok6 := two(s[14:])
	second, ok7 := two(s[17:])
	year := year1*100 + year2
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || !ok7 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 60 || year > 2261 || year < 1678 {
		return 0, false
	}
	ns, rest, ok := fraction(s[whole:])
	if !ok {
		return 0, false
	}
	offset, ok := zone(rest)
	if !ok {
		return 0, false
	}
	seconds := int64(days(year, month, day)*86400 + hour*3600 + minute*60 + second - offset)

	return seconds*1e9 + int64(ns), true
}

func two(s string) (int, bool) {
	a, b := s[0]-'0', s[1]-'0'

	return int(a)*10 + int(b), a <= 9 && b <= 9
}

// fraction reads the digits after a point or comma as nanoseconds.
func fraction(s string) (ns int, rest string, ok bool) {
	if s == "" || (s[0] != '.' && s[0] != ',') {
		return 0, s, true
	}
	digits := 0
	for s = s[1:]; s != "" && s[0]-'0' <= 9; s = s[1:] {
		if digits < 9 {
			ns = ns*10 + int(s[0]-'0')
		}
		digits++
	}
	for i := digits; i < 9; i++ {
		ns *= 10
	}

	return ns, s, digits > 0
}

// zone reads an offset in seconds.
func zone(s string) (seconds int, ok bool) {
	if s == "" || s == "Z" || s == "z" || s == " UTC" || s == " Z" {
		return 0, true
	}
	s = strings.TrimPrefix(s, " ")
	if len(s) < 3 || (s[0] != '+' && s[0] != '-') {
		return 0, false
	}
	hours, ok := two(s[1:])
	minutes := 0
	switch rest := strings.TrimPrefix(s[3:], ":"); len(rest) {
	case 0:
	case 2:
		var fine bool
		minutes, fine = two(rest)
		ok = ok && fine
	default:
		return 0, false
	}
	seconds = hours*3600 + minutes*60
	if s[0] == '-' {
		seconds = -seconds
	}

	return seconds, ok && hours < 24 && minutes < 60
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}

		return 28
	case 4, 6, 9, 11:
		return 30
	}

	return 31
}

// days since 1970 of a date. The year begins in March here, so that the leap day
// comes last.
func days(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	const before1970 = 719468

	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - before1970
}

// parseEpoch reads a number of seconds, milliseconds, microseconds or nanoseconds
// since 1970, exactly.
func parseEpoch(s string) (int64, bool) {
	digits, _, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return parseFloatEpoch(s)
	}
	ns, rest, ok := fraction(s[len(digits):])
	if !ok || rest != "" {
		return parseFloatEpoch(s)
	}
	unit := unitOf(float64(n))
	if n > math.MaxInt64/unit-1 || n < 0 {
		return -1, n < 0
	}

	return n*unit + int64(ns)/(1e9/unit), true
}

func unitOf(n float64) int64 {
	switch {
	case n >= firstNano:
		return 1
	case n >= firstMicro:
		return 1e3
	case n >= firstMilli:
		return 1e6
	}

	return 1e9
}

func parseFloatEpoch(s string) (int64, bool) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || strings.ContainsAny(s, "xXnNpP_") {
		return 0, false
	}
	ns := n * float64(unitOf(n))

	return int64(ns), ns < math.MaxInt64/2 && ns > math.MinInt64/2
}
