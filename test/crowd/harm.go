package crowd

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// intrude asks without credentials, with wrong ones, and with ones that are for
// something else.
func (c *client) intrude(ctx context.Context) {
	credentials := [][]string{
		nil,
		{"Authorization", fmt.Sprintf("Bearer lwt_%064x", c.rng.Uint64())},
		{"Cookie", fmt.Sprintf("llmwatch_session=%064x", c.rng.Uint64())},
		c.as("scrape"),
	}
	for more := c.arrive(ctx, intrudeEvery); more; more = c.pause(ctx, intrudeEvery) {
		path := c.pick("/status", "/alerts", "/logs/search", "/events", "/export/logs")
		c.fetch(ctx, io.Discard, http.MethodGet, apiBase+path, nil, credentials[c.rng.IntN(len(credentials))]...)
	}
}

// dawdle sends a request, or reads its answer, next to not at all, and comes
// again when it is cut off.
func (c *client) dawdle(ctx context.Context) {
	authorized := "Host: llmwatch\r\nAuthorization: Bearer " + c.Tokens["viewer"] + "\r\n"
	request := []string{
		"GET " + apiBase + "/status HTTP/1.1\r\n" + authorized + "X-Slow: ", // The header never ends.
		"POST " + apiBase + "/logs HTTP/1.1\r\nHost: llmwatch\r\nAuthorization: Bearer " + c.Tokens["ingest"] +
			"\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100000\r\n\r\n", // Nor does the body.
		"GET " + apiBase + "/export/logs?format=json HTTP/1.1\r\n" + authorized + "\r\n",
		"GET " + apiBase + "/logs/tail HTTP/1.1\r\n" + authorized + "\r\n",
	}[c.n%4]
	reads := c.n%4 >= 2
	late := time.Second
	if reads {
		late = c.For / 2 // When there is something to read.
	}
	for more := c.arrive(ctx, late); more; more = c.pause(ctx, time.Second) {
		conn := c.dial()
		if conn == nil {
			continue
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // It may be waiting.
		_, err := io.WriteString(conn, request)
		drop := make([]byte, 64)
		for err == nil && c.pause(ctx, 500*time.Millisecond) {
			if reads {
				_, err = io.ReadFull(conn, drop)
			} else {
				_, err = conn.Write([]byte(" "))
			}
		}
		if ctx.Err() == nil {
			c.note(c.kind, "cut off", "")
		}
		stop()
		_ = conn.Close() // It is left behind either way.
	}
}

// dial opens a connection that takes in next to nothing by itself.
func (c *client) dial() net.Conn {
	base, err := url.Parse(c.Base)
	if err != nil {
		panic(err) // A mistake of the caller.
	}
	conn, err := net.Dial("tcp", base.Host) //nolint:noctx // To this machine.
	if err != nil {
		c.note(c.kind, "no connection", err.Error())
		return nil
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 << 10) // It is slower with it, and not wrong without.
	}

	return conn
}

// vanish asks for much and goes before it has come.
func (c *client) vanish(ctx context.Context) {
	now := time.Now().Unix()
	for more := c.arrive(ctx, vanishEvery); more; more = c.pause(ctx, vanishEvery) {
		path := c.pick(apiBase+"/export/logs", apiBase+"/logs/search?pattern=never.*there", apiBase+"/logs/tail", apiBase+"/events",
			fmt.Sprintf("/prometheus/api/v1/query_range?query=http_server_request_duration_seconds_bucket&start=%d&end=%d&step=60", now-6*3600, now))
		gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(c.rng.IntN(100))*time.Millisecond)
		resp, err := c.http.Do(c.request(gone, http.MethodGet, path, nil, c.as("viewer")...))
		if err == nil {
			if !c.refused(resp, path) {
				_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // As far as it comes.
				c.note(c.kind, resp.Status[:3], "")
			}
			_ = resp.Body.Close()
		}
		cancel()
	}
}
