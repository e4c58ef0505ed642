package notify

import (
	"math"
	"net/url"
	"strconv"
	"time"
)

// Duration says a time span in words, with its two greatest units: "12 minutes",
// "1 hour 5 minutes", "2 days". It is rounded down; what is negative counts as
// nothing.
func Duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return "less than a second"
	case d < time.Minute:
		return count(int64(d/time.Second), "second")
	case d < time.Hour:
		return count(int64(d/time.Minute), "minute")
	case d < 24*time.Hour:
		return two(int64(d/time.Hour), "hour", int64(d%time.Hour/time.Minute), "minute")
	default:
		return two(int64(d/(24*time.Hour)), "day", int64(d%(24*time.Hour)/time.Hour), "hour")
	}
}

func count(n int64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}

	return strconv.FormatInt(n, 10) + " " + unit + "s"
}

func two(n int64, unit string, rest int64, restUnit string) string {
	if rest == 0 {
		return count(n, unit)
	}

	return count(n, unit) + " " + count(rest, restUnit)
}

// ordinal says a number's place: "2nd", "11th", "23rd".
func ordinal(n int) string {
	suffix := "th"
	if n%100/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}

	return strconv.Itoa(n) + suffix
}

// clockTime says a time in UTC, with its date unless it is that of now.
func clockTime(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04 UTC")
	}

	return t.Format("2006-01-02 15:04 UTC")
}

// number says a value with as many digits as a person reads: two decimals from
// 1 on, three significant digits below, an exponent where it would be long.
func number(v float64) string {
	abs := math.Abs(v)
	switch {
	case v == 0 || math.IsNaN(v) || math.IsInf(v, 0):
		return strconv.FormatFloat(v, 'g', -1, 64)
	case abs >= 1e9 || abs < 1e-3:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case abs >= 1:
		return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	default:
		rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)

		return strconv.FormatFloat(rounded, 'f', -1, 64)
	}
}

// maxURL is longer than any address that people follow.
const maxURL = 2000

// webURL is raw where it is an address that a message may link to: absolute,
// http or https, not overlong and without credentials; otherwise nothing.
func webURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxURL || u.Host == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}

	return u.String()
}
