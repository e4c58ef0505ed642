package alert

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// durationUnits are the units of a Prometheus duration in the order in which
// they must come, each at most once.
var durationUnits = []struct {
	name string
	unit time.Duration
}{
	{"y", 365 * 24 * time.Hour},
	{"w", 7 * 24 * time.Hour},
	{"d", 24 * time.Hour},
	{"h", time.Hour},
	{"m", time.Minute},
	{"s", time.Second},
	{"ms", time.Millisecond},
}

// ParseDuration reads a duration as rule files have it, such as 30m, 1h30m or
// 1d; 0 needs no unit.
func ParseDuration(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	invalid := fmt.Errorf("duration %q: want whole numbers with units from y to ms, the longest first, such as 1h30m", text)
	if text == "" {
		return 0, invalid
	}
	var total time.Duration
	units := durationUnits
	for rest := text; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		count, ok := wholeNumber(rest[:digits])
		rest = rest[digits:]
		name := rest[:len(rest)-len(strings.TrimLeft(rest, "ywdhms"))]
		for ok && len(units) > 0 && units[0].name != name {
			units = units[1:]
		}
		if !ok || len(units) == 0 {
			return 0, invalid
		}
		unit := units[0].unit
		if count > int64((math.MaxInt64-total)/unit) {
			return 0, fmt.Errorf("duration %q: longer than 292 years", text)
		}
		total += time.Duration(count) * unit
		units, rest = units[1:], rest[len(name):]
	}

	return total, nil
}

// wholeNumber reads digits, and stops at math.MaxInt64.
func wholeNumber(digits string) (int64, bool) {
	var n int64
	for _, d := range []byte(digits) {
		if n > (math.MaxInt64-9)/10 {
			return math.MaxInt64, true
		}
		n = n*10 + int64(d-'0')
	}

	return n, digits != ""
}
