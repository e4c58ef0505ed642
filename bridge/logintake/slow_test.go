package logintake_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// slowClients send bodies that hardly arrive, from an address, until the test ends.
// They return what they are answered.
func slowClients(t *testing.T, server *httptest.Server, ip string, n int, numbered bool) <-chan int {
	t.Helper()

	answered := make(chan int, n)
	for i := range n {
		conn, err := from(ip).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		header := ""
		if numbered {
			header = fmt.Sprintf("Llmwatch-Client: slow-%s-%d\r\nLlmwatch-Batch: 1\r\n", ip, i)
		}
		fmt.Fprintf(conn, "POST /logs HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n%s\r\n%s\n", header, strings.Repeat("x", 1400))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{}, 2)
		go func() {
			defer func() { done <- struct{}{} }()
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					_, _ = fmt.Fprintln(conn, strings.Repeat("x", 1400)) // It may have been cut off.
				case <-ctx.Done():
					return
				}
			}
		}()
		go func() {
			defer func() { done <- struct{}{} }()
			if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
				resp.Body.Close()
				answered <- resp.StatusCode
			}
		}()
		t.Cleanup(func() {
			stop()
			conn.Close()
			<-done
			<-done
		})
	}

	return answered
}

func from(ip string) *net.Dialer { return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}} }

// shipped sends a small body and returns how it is answered and after what time.
func shipped(t *testing.T, server *httptest.Server, ip string, header ...string) (int, time.Duration) {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("important line"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DialContext: from(ip).DialContext, DisableKeepAlives: true}}
	begin := time.Now()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}

	return resp.StatusCode, time.Since(begin)
}

func TestSlowUploadsHoldNobodyUp(t *testing.T) {
	numbered := []string{"Llmwatch-Client", "shipper-1", "Llmwatch-Batch", "1"}
	for name, tc := range map[string]struct {
		numbered bool
		from     []string
		each     int
		within   time.Duration
	}{
		"numbered ones of one address":   {true, []string{"127.0.0.2"}, 50, time.Second},
		"numbered ones of two addresses": {true, []string{"127.0.0.2", "127.0.0.3"}, 50, time.Second},
		"others of one address":          {false, []string{"127.0.0.2"}, 50, time.Second},
		"others of three addresses":      {false, []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}, 40, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s store
			in, _ := newIntake(t, &s)
			server := httptest.NewServer(in)
			t.Cleanup(server.Close)
			var answered []<-chan int
			for _, ip := range tc.from {
				answered = append(answered, slowClients(t, server, ip, tc.each, tc.numbered))
			}
			time.Sleep(100 * time.Millisecond) // For them to be under way; if they are not, nothing holds up either.
			if status, took := shipped(t, server, "127.0.0.9", numbered...); status != http.StatusOK || took > time.Second {
				t.Errorf("a numbered batch is answered %d after %s", status, took)
			}
			if status, took := shipped(t, server, "127.0.0.9"); status != http.StatusOK || took > tc.within {
				t.Errorf("another is answered %d after %s, want %s", status, took, tc.within)
			}
			for _, each := range answered {
				for len(each) > 0 {
					if status := <-each; status != http.StatusRequestTimeout && status != http.StatusTooManyRequests {
						t.Errorf("a slow one is answered %d", status)
					}
				}
			}
		})
	}
}
