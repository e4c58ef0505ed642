package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSlowHeadersAreCutAndBlockNobody has many clients send a header that never ends,
// a byte now and then.
func TestSlowHeadersAreCutAndBlockNobody(t *testing.T) {
	t.Parallel()
	const clients, most = 200, 15 * time.Second
	_, api := llmwatch(t, "serve", "--data-dir", t.TempDir())
	var conns []net.Conn
	for range clients {
		conn, err := net.Dial("tcp", strings.TrimPrefix(api.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	began := time.Now()
	cut := make(chan error, clients)
	for _, conn := range conns {
		go func() {
			for time.Since(began) < most {
				if _, err := conn.Write([]byte("x")); err != nil {
					break // It was cut while this was under way.
				}
				if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
					break
				}
				if _, err := conn.Read(make([]byte, 1)); err == nil || !isTimeout(err) {
					break // An answer or the end of the connection.
				}
			}
			if took := time.Since(began); took >= most {
				cut <- fmt.Errorf("a connection is still open after %s", took)
				return
			}
			cut <- nil
		}()
	}
	for left := clients; left > 0; {
		select {
		case err := <-cut:
			if left--; err != nil {
				t.Fatal(err)
			}
		case <-time.After(500 * time.Millisecond):
			begin := time.Now()
			if resp, _ := api.raw(http.MethodGet, apiBase+"/health", nil); resp.StatusCode != http.StatusOK {
				t.Fatalf("meanwhile health is answered with %s", resp.Status)
			}
			if took := time.Since(begin); took > time.Second {
				t.Errorf("meanwhile health takes %s", took)
			}
		}
	}
}

// isTimeout reports whether nothing has come yet.
func isTimeout(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // As net.Conn says.

	return ok && timeout.Timeout()
}
