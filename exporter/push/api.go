package push

import (
	"fmt"
	"math"

	"llmwatch/exporter"
)

// recordAPI records an API event.
func (r *Receiver) recordAPI(f *fields) error {
	e := exporter.APIEvent{
		Route:  f.names.intern(f.bytes("route", maxPathBytes)),
		Path:   f.names.intern(f.bytes("endpoint", maxPathBytes)),
		Method: f.needText("method"),
		Status: f.status("status_code"),
	}
	if e.Route == "" && e.Path == "" {
		f.fail("endpoint", fmt.Sprintf("a string of 1 to %d bytes", maxPathBytes), nil)
	}
	var ok bool
	if e.Duration, ok = f.milliseconds("response_time_ms"); !ok {
		f.fail("response_time_ms", "a number from 0", nil)
	}
	e.TimeToFirstByte, _ = f.milliseconds("time_to_first_byte_ms")
	e.RequestBytes = f.size("request_size_bytes")
	e.ResponseBytes = f.size("response_size_bytes")
	errorCount, _ := f.count("error_count")
	e.Failed = f.flag("failed") || errorCount > 0
	// Unlike the other strings these do not come again.
	e.TraceID = string(f.bytes("trace_id", maxTextBytes))
	e.RequestID = string(f.bytes("request_id", maxTextBytes))
	f.checkTimestamp(r.options.Now)
	if f.err != nil {
		return f.err
	}
	if err := e.Validate(); err != nil {
		return err
	}

	return r.options.API.Record(e)
}

// status returns a status code. Go serves any from 100 to 999; what RFC 9110
// does not define is refused here, where strangers could make a series of each.
func (f *fields) status(name string) int {
	const want = "a whole number from 100 to 599"
	v := f.get(name)
	if v == nil {
		f.fail(name, want, nil)

		return 0
	}
	n, err := v.Float64()
	if err != nil || !(n >= 100 && n <= 599) || n != math.Trunc(n) {
		f.fail(name, want, v)
	}

	return int(n)
}

// size returns a number of bytes, -1 if it is not known.
func (f *fields) size(name string) int64 {
	n, ok := f.count(name)
	if !ok {
		return -1
	}

	return n
}
