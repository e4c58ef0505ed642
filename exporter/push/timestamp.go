package push

import (
	"math"
	"time"

	"github.com/valyala/fastjson"
)

const (
	// maxAhead is how far the sender's clock may be ahead.
	maxAhead = 10 * time.Second
	// firstMillisecond is the least number that is taken for milliseconds: in
	// 1973, while as seconds it is in 5138.
	firstMillisecond = 1e11
)

const timestampForm = "an RFC 3339 time or Unix seconds or milliseconds"

// checkTimestamp refuses timestamps that are malformed or in the future, which
// a clock or a unit that is wrong causes. Old ones pass: an event that was held
// back is counted when it arrives.
func (f *fields) checkTimestamp(now func() time.Time) {
	v := f.get("timestamp")
	if v == nil {
		return
	}
	var at time.Time
	ok := false
	switch v.Type() {
	case fastjson.TypeString:
		at, ok = parseTimestamp(v.GetStringBytes())
	case fastjson.TypeNumber:
		at, ok = unixTimestamp(v.GetFloat64())
	default:
	}
	if !ok {
		f.fail("timestamp", timestampForm, v)

		return
	}
	if limit := now().Add(maxAhead); at.After(limit) {
		f.fail("timestamp", "at most 10 s ahead of "+limit.Add(-maxAhead).UTC().Format(time.RFC3339), v)
	}
}

// unixTimestamp reads seconds or milliseconds since 1970.
func unixTimestamp(n float64) (time.Time, bool) {
	if !(n >= 0 && n < 1e15) {
		return time.Time{}, false
	}
	if n < firstMillisecond {
		n *= 1000
	}

	return time.UnixMilli(int64(math.Round(n))), true
}

// parseTimestamp reads RFC 3339, also with a space in place of the T and
// without a zone, which is UTC: as Python prints datetime.utcnow().
func parseTimestamp(s []byte) (time.Time, bool) {
	var buffer [len("2006-01-02T15:04:05.999999999+07:00") + 1]byte
	if len(s) < len("2006-01-02T15:04:05") || len(s) >= len(buffer) {
		return time.Time{}, false
	}
	b := append(buffer[:0], s...)
	if b[10] == ' ' {
		b[10] = 'T'
	}
	if sign := b[len(b)-6]; b[len(b)-1] != 'Z' && sign != '+' && sign != '-' {
		b = append(b, 'Z')
	}
	var t time.Time
	err := t.UnmarshalText(b)

	return t, err == nil
}
