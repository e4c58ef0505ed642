package crowd

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/test/loggen"
)

// watch is an open page: an event stream, and what the page asks for. Half of
// them have logged in.
func (c *client) watch(ctx context.Context) {
	who := c.as("viewer")
	if c.n%2 == 0 {
		who = []string{"Cookie", c.Cookie}
	}
	if !c.arrive(ctx, pageEvery/2) {
		return
	}
	var streaming sync.WaitGroup
	defer streaming.Wait()
	streaming.Go(func() { c.stream(ctx, apiBase+"/events", who...) })
	for more := true; more; more = c.pause(ctx, pageEvery) {
		for _, path := range []string{"/dashboard/overview", "/alerts?limit=100", c.pick("/metrics/system?minutes=60", "/metrics/api?minutes=60", "/metrics/summary?hours=24")} {
			c.fetch(ctx, io.Discard, http.MethodGet, apiBase+path, nil, who...)
		}
	}
}

// tail is somebody who looks at lines as they come. One in ten looks at all.
func (c *client) tail(ctx context.Context) {
	filter := "?level=ERROR,CRITICAL"
	switch {
	case c.n%10 == 0:
		filter = ""
	case c.n%3 == 0:
		filter = "?text=slow"
	}
	if c.arrive(ctx, 2*time.Second) {
		c.stream(ctx, apiBase+"/logs/tail"+filter, c.as("viewer")...)
	}
}

// linesInBatch is what a shipper sends at once.
const linesInBatch = 100

// Logger is the logger of all lines that are shipped. A message begins with the
// name of its batch.
const Logger = "crowd"

// ship sends log lines, compressed.
func (c *client) ship(ctx context.Context) {
	source := loggen.NewPlatform(uint64(c.n), time.Now())
	batch := 0
	var lines []byte
	var e entry.Entry
	for more := c.arrive(ctx, shipEvery); more; more = c.pause(ctx, shipEvery) {
		name := fmt.Sprintf("%d-%d", c.n, batch)
		batch++
		lines = lines[:0]
		for range linesInBatch {
			source.Next(&e)
			e.Logger, e.Message = Logger, name+" "+e.Message
			lines = append(source.AppendLine(lines, &e), '\n')
		}
		answer := c.ask(ctx, http.MethodPost, apiBase+"/logs", compress(lines), header(c.as("ingest"), gzipped)...)
		var kept struct{ Accepted int }
		if answer == nil || json.Unmarshal(answer, &kept) != nil {
			continue
		}
		c.mu.Lock()
		c.report.Lines[name] = kept.Accepted
		c.mu.Unlock()
	}
}

func compress(text []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // Memory takes everything.
	}

	return out.Bytes()
}

// push sends what a platform measured.
func (c *client) push(ctx context.Context) {
	for more := c.arrive(ctx, pushEvery); more; more = c.pause(ctx, pushEvery) {
		var events bytes.Buffer
		for i := range 20 {
			fmt.Fprintf(&events, `{"endpoint":"/api/v1/crowd%d","method":"POST","status_code":200,"response_time_ms":%d}`+"\n", i, 1+c.rng.IntN(500))
		}
		if answer := c.ask(ctx, http.MethodPost, apiBase+"/metrics/api", events.Bytes(), header(c.as("ingest"), plainJSON)...); answer != nil {
			var taken struct{ Accepted int }
			if err := json.Unmarshal(answer, &taken); err == nil {
				c.mu.Lock()
				c.report.Events += taken.Accepted
				c.mu.Unlock()
			}
		}
		job := fmt.Sprintf(`{"type":"queue","queue":"training","depth":%d,"instance":"worker-%d"}`, c.rng.IntN(100), c.n)
		c.ask(ctx, http.MethodPost, apiBase+"/metrics/app", []byte(job), header(c.as("ingest"), plainJSON)...)
	}
}

// search looks for lines in all the ways there are.
func (c *client) search(ctx context.Context) {
	for more := c.arrive(ctx, searchEvery); more; more = c.pause(ctx, searchEvery) {
		path := c.pick("/logs/search?level=ERROR&limit=100", "/logs/search?text=slow&limit=100",
			"/logs/search?pattern=time.*out&limit=100", "/logs/search?limit=500&logger="+Logger,
			fmt.Sprintf("/logs/search?request_id=req-%012x", c.rng.Uint64()>>16), "/logs/statistics?hours=1")
		c.fetch(ctx, io.Discard, http.MethodGet, apiBase+path, nil, c.as("viewer")...)
	}
}

// operate is an alert's life: it comes, somebody sees it, takes it, and it ends.
func (c *client) operate(ctx context.Context) {
	for i, more := 0, c.arrive(ctx, operateEvery); more; i, more = i+1, c.pause(ctx, operateEvery) {
		name := fmt.Sprintf("crowd_%d_%d", c.n, i)
		tell := func(ends string) {
			alert := fmt.Sprintf(`[{"labels":{"alertname":%q,"severity":"high"},"annotations":{"summary":"one of many"}%s}]`, name, ends)
			c.ask(ctx, http.MethodPost, "/api/v2/alerts", []byte(alert), header(c.as("ingest"), plainJSON)...)
		}
		tell("")
		var list struct {
			Data []struct{ ID string }
		}
		answer := c.ask(ctx, http.MethodGet, apiBase+"/alerts?name="+name, nil, c.as("operator")...)
		if answer == nil || json.Unmarshal(answer, &list) != nil || len(list.Data) != 1 {
			c.note(c.kind, "an alert is not there", name+": "+string(answer))
			continue
		}
		id := list.Data[0].ID
		c.fetch(ctx, io.Discard, http.MethodGet, apiBase+"/alerts/"+url.PathEscape(id), nil, c.as("operator")...)
		if c.ask(ctx, http.MethodPost, apiBase+"/alerts/"+url.PathEscape(id)+"/acknowledge", []byte(`{"comment":"mine"}`), header(c.as("operator"), plainJSON)...) != nil {
			c.mu.Lock()
			c.report.Acknowledged = append(c.report.Acknowledged, id)
			c.mu.Unlock()
		}
		c.fetch(ctx, io.Discard, http.MethodGet, apiBase+"/alerts/history?limit=100", nil, c.as("operator")...)
		tell(`,"endsAt":"` + time.Now().UTC().Format(time.RFC3339) + `"`)
	}
}

// query is a Grafana: ranges and what its forms ask for.
func (c *client) query(ctx context.Context) {
	for more := c.arrive(ctx, queryEvery); more; more = c.pause(ctx, queryEvery) {
		now := time.Now().Unix()
		span := url.Values{"start": {strconv.FormatInt(now-6*3600, 10)}, "end": {strconv.FormatInt(now, 10)}, "step": {"60"}}
		ask := func(expression string) string {
			span.Set("query", expression)
			return "/query_range?" + span.Encode()
		}
		path := c.pick(
			ask("sum by (http_route) (rate(http_server_request_duration_seconds_count[5m]))"),
			ask("histogram_quantile(0.99, sum by (le) (rate(http_server_request_duration_seconds_bucket[5m])))"),
			ask("llmwatch:cpu_percent"),
			"/query?query=topk(5,http_server_request_duration_seconds_count)", "/labels", "/label/__name__/values", "/series?match[]=up")
		c.fetch(ctx, io.Discard, http.MethodGet, "/prometheus/api/v1"+path, nil, c.as("viewer")...)
	}
}

// scrape is a Prometheus.
func (c *client) scrape(ctx context.Context) {
	for more := c.arrive(ctx, scrapeEvery); more; more = c.pause(ctx, scrapeEvery) {
		c.fetch(ctx, io.Discard, http.MethodGet, c.pick("/metrics", "/metrics", "/prometheus/metrics"), nil, c.as("scrape")...)
	}
}

// download takes files home.
func (c *client) download(ctx context.Context) {
	for more := c.arrive(ctx, fetchEvery); more; more = c.pause(ctx, fetchEvery) {
		path := c.pick("/export/logs?level=ERROR", "/export/logs?format=json&level=WARNING", "/export/logs?start=-10s", "/export/system?minutes=360",
			"/export/api?format=json&minutes=60", "/export/app", "/export/alerts")
		c.fetch(ctx, io.Discard, http.MethodGet, apiBase+path, nil, c.as("viewer")...)
	}
}
