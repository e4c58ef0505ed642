package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// cannedLogs answers the log paths with what a small llmwatch would.
func cannedLogs(t *testing.T) (url string) {
	t.Helper()

	var tails atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/monitoring/logs/search", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("pattern") == "[" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"success":false,"error":{"code":"invalid_parameter","message":"pattern is wrong"}}`)
			return
		}
		want := "field.user+id=4+2&level=ERROR&level=CRITICAL&limit=2&logger=api.%2A&order=newest&request_id=req-1&start=-1h&text=no+route"
		if got := r.URL.RawQuery; got != want && got != "limit=100&order=oldest" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"success":false,"error":{"message":"asked for %s"}}`, got)
			return
		}
		fmt.Fprint(w, `{"success":true,"data":[`+
			`{"timestamp":"2024-01-15T10:30:45.123Z","level":"ERROR","logger":"api.requests","message":"no route\nto host","line":85,"user id":"4 2","_id":"a.1"},`+
			`{"timestamp":"2024-01-15T10:30:44.000Z","level":"CRITICAL","logger":"api","message":"\u001b[31mred","path":"/x","tags":["a"],"_id":"a.2"}],`+
			`"count":2,"next_cursor":"a.2"}`+"\n")
	})
	mux.HandleFunc("GET /api/v1/monitoring/logs/statistics", func(w http.ResponseWriter, r *http.Request) {
		period, ok := map[string]string{
			"":        `"time_range_hours":24`,
			"hours=1": `"time_range_hours":1`,
			"end=-1h&field.status=500&level=ERROR&logger=api.%2A&pattern=a%7Cb&request_id=req-1&start=-2h&text=no+route": `"time_range_hours":1,"start":"2024-01-15T09:30:45.123Z","end":"2024-01-15T10:30:45.123Z"`,
		}[r.URL.RawQuery]
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"success":false,"error":{"message":"asked for %s"}}`, r.URL.RawQuery)
			return
		}
		fmt.Fprint(w, `{"success":true,`+period+`,"data":{"total_entries":12,"by_level":{"ERROR":2,"INFO":10},"by_logger":{"b":2,"a":10},`+
			`"top_errors":[{"message":"no route","logger":"b","count":2,"last_seen":"2024-01-15T10:30:45.000Z"}],`+
			`"store":{"bytes":1000,"blocks":1,"damaged_blocks":1,"oldest":"2024-01-15T10:00:00.000Z","newest":null}}}`)
	})
	mux.HandleFunc("GET /api/v1/monitoring/logs/tail", func(w http.ResponseWriter, r *http.Request) {
		entry := func(id, at, message string) {
			fmt.Fprintf(w, "id: %s\ndata: {\"timestamp\":\"t\",\"level\":\"INFO\",\"logger\":\"l\",\"message\":%q,\"_id\":%q}\n\n", id, message, at)
		}
		switch n, last := tails.Add(1), r.Header.Get("Last-Event-ID"); {
		case n == 1:
			fmt.Fprint(w, "retry: 2000\n\n")
			entry("a.1", "a.1", "one")
			fmt.Fprint(w, "event: dropped\ndata: {\"count\":3}\n\n")
			entry("a.2", "a.2", "two")
		case n == 2 && last == "a.2":
			entry("a.2", "a.3", "three") // Missed; the connection breaks before the rest.
		case n == 3 && last == "a.2":
			entry("a.2", "a.3", "three")
			entry("a.2", "a.4", "four")
			entry("a.5", "a.5", "five")
		default:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"success":false,"error":{"message":"connection %d after %s"}}`, n, last)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)

	return s.URL
}

func TestWhatATerminalWouldObeyIsReplaced(t *testing.T) {
	if got := harmless("a\x1b[2Jb\u009bc\td\ne"); got != "a\uFFFD[2Jb\uFFFDc\td\ne" || strings.Contains(got, "\x1b") {
		t.Errorf("got %q", got)
	}
}
