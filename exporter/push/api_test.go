package push

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// documented is the documented example of an API event.
const documented = `{"timestamp": "2024-01-15T10:30:45.123Z", "endpoint": "/api/v1/generate", "method": "POST", "status_code": 200, ` +
	`"response_time_ms": 150.5, "request_size_bytes": 1024, "response_size_bytes": 2048, "error_count": 0}`

func TestAPIRecordsEveryField(t *testing.T) {
	b := newBench(t, nil)
	b.pass(b.receiver.API(), documented)
	b.pass(b.receiver.API(), `{"route": "/users/{name}", "endpoint": "/users/joe", "method": "get", "status_code": 404,
		"response_time_ms": 20, "time_to_first_byte_ms": 5, "failed": true, "request_id": "r-1",
		"trace_id": "0af7651916cd43dd8448eb211c80319c", "timestamp": null, "unknown": {"key": [1]}}`)

	generate := []string{"POST", "/api/v1/generate", "200"}
	users := []string{"GET", "/users/{name}", "404"}
	for _, test := range []struct {
		metric string
		labels []string
		want   float64
	}{
		{"http_server_request_duration_seconds", generate, 1},
		{"http_server_request_duration_max_seconds", generate, .1505},
		{"http_server_request_body_size_bytes", generate, 1},
		{"http_server_response_body_size_bytes", generate, 1},
		{"http_server_time_to_first_byte_seconds", generate[:2], 0},
		{"http_server_failed_requests_total", generate, -1},
		{"http_server_request_duration_max_seconds", users, .02},
		{"http_server_request_body_size_bytes", users, 0}, // Not known.
		{"http_server_time_to_first_byte_seconds", users[:2], 1},
		{"http_server_failed_requests_total", users, 1},
		{"llmwatch_push_events_total", []string{"api", "accepted"}, 2},
	} {
		if got := b.value(test.metric, test.labels...); got != test.want {
			t.Errorf("%s%v is %v, want %v", test.metric, test.labels, got, test.want)
		}
	}
	for _, series := range b.series("http_server_request_body_size_bytes") {
		if sum := series.GetHistogram().GetSampleSum(); sum != 1024 && sum != 0 {
			t.Errorf("the request bodies sum up to %v bytes, want 1024", sum)
		}
	}
	exemplars := fmt.Sprint(b.series("http_server_request_duration_seconds"))
	if !strings.Contains(exemplars, "0af7651916cd43dd8448eb211c80319c") || !strings.Contains(exemplars, "r-1") {
		t.Errorf("no exemplar with the trace and request id in %s", exemplars)
	}
}

func TestAPITakesTheErrorCountForAFailure(t *testing.T) {
	b := newBench(t, nil)
	b.pass(b.receiver.API(), strings.Replace(documented, `"error_count": 0`, `"error_count": 2`, 1))
	if got := b.value("http_server_failed_requests_total", "POST", "/api/v1/generate", "200"); got != 1 {
		t.Errorf("%v failed requests, want 1", got)
	}
}

// withField returns the documented event with a field replaced or added; with
// an empty value, without it.
func withField(name, value string) string {
	event := strings.NewReplacer("{", "{\n", ", ", ",\n", "}", "\n}").Replace(documented)
	lines := []string{}
	for line := range strings.SplitSeq(event, "\n") {
		if !strings.HasPrefix(line, `"`+name+`"`) && line != "{" && line != "}" {
			lines = append(lines, strings.TrimSuffix(line, ","))
		}
	}
	if value != "" {
		lines = append(lines, fmt.Sprintf("%q: %s", name, value))
	}

	return "{" + strings.Join(lines, ", ") + "}"
}

func TestAPIRefusesWithTheFieldAndWhatWouldBeRight(t *testing.T) {
	b := newBench(t, nil)
	long := `"/` + strings.Repeat("a", maxPathBytes) + `"`
	for _, test := range []struct{ field, value, want string }{
		{"endpoint", ``, `endpoint must be a string of 1 to 4096 bytes, got nothing`},
		{"endpoint", `null`, `endpoint must be a string of 1 to 4096 bytes, got nothing`},
		{"endpoint", `""`, `endpoint must be a string of 1 to 4096 bytes, got ""`},
		{"endpoint", `17`, `endpoint must be a string of 1 to 4096 bytes, got 17`},
		{"endpoint", long, `endpoint must be a string of 1 to 4096 bytes, got "/` + strings.Repeat("a", maxShown-2) + "…"},
		{"route", `["/a"]`, `route must be a string of 1 to 4096 bytes, got ["/a"]`},
		{"method", ``, `method must be a string of 1 to 256 bytes, got nothing`},
		{"method", `true`, `method must be a string of 1 to 256 bytes, got true`},
		{"status_code", ``, `status_code must be a whole number from 100 to 599, got nothing`},
		{"status_code", `99`, `status_code must be a whole number from 100 to 599, got 99`},
		{"status_code", `600`, `status_code must be a whole number from 100 to 599, got 600`},
		{"status_code", `200.5`, `status_code must be a whole number from 100 to 599, got 200.5`},
		{"status_code", `"200"`, `status_code must be a whole number from 100 to 599, got "200"`},
		{"response_time_ms", ``, `response_time_ms must be a number from 0, got nothing`},
		{"response_time_ms", `-3`, `response_time_ms must be a number from 0, got -3`},
		{"response_time_ms", `"NaN"`, `response_time_ms must be a number from 0, got "NaN"`},
		{"response_time_ms", `"12"`, `response_time_ms must be a number from 0, got "12"`},
		{"response_time_ms", `604800001`, `response_time_ms must be at most 604800000, got 604800001`},
		{"response_time_ms", `1e999`, `response_time_ms must be at most 604800000, got 1e999`},
		{"time_to_first_byte_ms", `-0.5`, `time_to_first_byte_ms must be a number from 0, got -0.5`},
		{"request_size_bytes", `-1`, `request_size_bytes must be a whole number from 0, got -1`},
		{"request_size_bytes", `1.5`, `request_size_bytes must be a whole number from 0, got 1.5`},
		{"response_size_bytes", `1e17`, `response_size_bytes must be at most 9007199254740992, got 1e17`},
		{"response_size_bytes", `{}`, `response_size_bytes must be a whole number from 0, got {}`},
		{"failed", `"` + strings.Repeat("é", 30) + `"`, `failed must be true or false, got "` + strings.Repeat("é", 19) + "…"},
		{"failed", `1`, `failed must be true or false, got 1`},
		{"error_count", `"none"`, `error_count must be a whole number from 0, got "none"`},
		{"trace_id", `"0AF7651916CD43DD8448EB211C80319C"`, `trace id "0AF7651916CD43DD8448EB211C80319C", want 32 hexadecimal digits in lower case, not all 0`},
		{"request_id", `5`, `request_id must be a string of 1 to 256 bytes, got 5`},
		{"timestamp", `"yesterday"`, `timestamp must be an RFC 3339 time or Unix seconds or milliseconds, got "yesterday"`},
		{"timestamp", `"2024-02-30T10:00:00Z"`, `timestamp must be an RFC 3339 time or Unix seconds or milliseconds, got "2024-02-30T10:00:00Z"`},
		{"timestamp", `-1`, `timestamp must be an RFC 3339 time or Unix seconds or milliseconds, got -1`},
		{"timestamp", `true`, `timestamp must be an RFC 3339 time or Unix seconds or milliseconds, got true`},
		{"timestamp", `"2024-01-15T10:30:55.001Z"`, `timestamp must be at most 10 s ahead of 2024-01-15T10:30:45Z, got "2024-01-15T10:30:55.001Z"`},
		{"timestamp", `1705314656`, `timestamp must be at most 10 s ahead of 2024-01-15T10:30:45Z, got 1705314656`},
	} {
		t.Run(test.field+" "+shorten(test.value), func(t *testing.T) {
			a := b.post(b.receiver.API(), withField(test.field, test.value))
			if diff := cmp.Diff([]string{test.want}, a.texts()); diff != "" || a.Status != 400 || a.Error.Code != "invalid_event" {
				t.Errorf("answered %+v (-want +got):\n%s", a, diff)
			}
		})
	}
	if got := b.series("http_server_request_duration_seconds"); got != nil {
		t.Errorf("refused events were recorded: %v", got)
	}
}

func TestAPIAcceptsWhatLanguagesPrint(t *testing.T) {
	b := newBench(t, nil)
	for _, test := range []struct{ field, value string }{
		{"status_code", `200.0`}, // JavaScript and Lua know one kind of number.
		{"request_size_bytes", `1e3`},
		{"response_time_ms", `0`},
		{"timestamp", `"2024-01-15T10:30:55Z"`}, // 10 s ahead.
		{"timestamp", `"2024-01-15T10:30:45.123456"`},
		{"timestamp", `"2024-01-15 10:30:45.123456"`},
		{"timestamp", `"2024-01-15T10:30:45.123456+00:00"`},
		{"timestamp", `"2024-01-15T12:30:55+02:00"`},
		{"timestamp", `"1999-12-31T23:59:59Z"`}, // Late is no fault.
		{"timestamp", `1705314655`},
		{"timestamp", `1705314655.0`},
		{"timestamp", `1705314655000`},
		{"unknown", `"\ud83d\ude00"`},
	} {
		b.pass(b.receiver.API(), withField(test.field, test.value))
	}
}

func TestAPIBoundsDistinctEndpoints(t *testing.T) {
	b := newBench(t, nil)
	var body strings.Builder
	word := func(i int) string { // No digits: nothing for the normaliser.
		return strings.NewReplacer("0", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5", "f", "6", "g", "7", "h", "8", "i", "9", "j").
			Replace(strconv.Itoa(i))
	}
	const endpoints = 100_000
	for i := range endpoints {
		fmt.Fprintf(&body, `{"endpoint":"/%s","method":"GET","status_code":200,"response_time_ms":1}`, word(i))
	}
	if a := b.post(b.receiver.API(), body.String()); a.Accepted != endpoints {
		t.Fatalf("answered %+v, want all accepted", a)
	}
	series := b.series("http_server_request_duration_seconds")
	var total uint64
	for _, s := range series {
		total += s.GetHistogram().GetSampleCount()
	}
	if len(series) > 201 || total != endpoints {
		t.Errorf("%d series count %d requests, want at most 201 with %d", len(series), total, endpoints)
	}
}

func TestAPIKeepsNothingOfTheParser(t *testing.T) {
	b := newBench(t, nil)
	first := `{"endpoint":"/first","method":"GET","status_code":200,"response_time_ms":1,"trace_id":"0af7651916cd43dd8448eb211c80319c"}`
	b.pass(b.receiver.API(), first)
	for range 10 {
		b.pass(b.receiver.API(), strings.Repeat(strings.NewReplacer("/first", "/xxxxx", "0af7", "1111").Replace(first), 3))
	}
	if got := b.value("http_server_request_duration_seconds", "GET", "/first", "200"); got != 1 {
		t.Errorf("/first counts %v, want 1", got)
	}
	if !strings.Contains(fmt.Sprint(b.series("http_server_request_duration_seconds")), "0af7651916cd43dd8448eb211c80319c") {
		t.Error("the exemplar of the first event has changed")
	}
}

func TestAPICountsConcurrentRequestsExactly(t *testing.T) {
	b := newBench(t, nil)
	h := b.receiver.API()
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for range 20 {
				if a := b.post(h, strings.Repeat(documented+"\n", 10)+"{}"); a.Accepted != 10 || a.Rejected != 1 {
					t.Errorf("answered %+v, want 10 accepted and 1 rejected", a)
				}
			}
		})
	}
	senders.Wait()
	if got := b.value("http_server_request_duration_seconds", "POST", "/api/v1/generate", "200"); got != 1600 {
		t.Errorf("%v requests counted, want 1600", got)
	}
}
