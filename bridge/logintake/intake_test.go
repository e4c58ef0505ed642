package logintake_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"llmwatch/bridge/logintake"
	"llmwatch/bridge/logintake/jsonlines"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/internal/testtool"
	"llmwatch/logship"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store counts what it is given, and keeps messages while there are few.
type store struct {
	mu       sync.Mutex
	messages []string
	count    int
	batches  int
	largest  int
	kept     map[string]uint64
	failAt   int // The batch, from 1, from which on it fails.
	entered  chan struct{}
	leave    chan struct{}
}

func (s *store) Append(_ context.Context, b *entry.Batch) error {
	if s.entered != nil {
		s.entered <- struct{}{}
		<-s.leave
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	if s.failAt > 0 && s.batches >= s.failAt {
		return errors.New("no space left on device")
	}
	s.largest = max(s.largest, b.Size())
	var e entry.Entry
	for i := range b.Len() {
		b.At(i, &e)
		if s.count++; s.count <= 1000 {
			s.messages = append(s.messages, strings.Clone(e.Message))
		}
	}

	return nil
}

func (s *store) AppendOnce(ctx context.Context, client string, number uint64, b *entry.Batch) (bool, error) {
	s.mu.Lock()
	known := s.kept[client] >= number
	s.mu.Unlock()
	if known {
		return true, nil
	}
	if err := s.Append(ctx, b); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[client] = number

	return false, nil
}

type answer struct {
	status    int
	Success   bool
	Accepted  int
	Rejected  int
	Omitted   int `json:"errors_omitted"`
	Duplicate bool
	Errors    []struct {
		Line  int
		Error string
	}
	Error struct{ Code, Message string }
}

func newIntake(t *testing.T, s *store) (*logintake.Intake, *prometheus.Registry) {
	t.Helper()

	s.kept = map[string]uint64{}
	reg := prometheus.NewPedanticRegistry()
	in, err := logintake.New(logintake.Options{Store: s, Format: jsonlines.New(logship.NewRedactor()), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}

	return in, reg
}

func send(t *testing.T, in http.Handler, body io.Reader, header ...string) answer {
	t.Helper()

	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/logs", body)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	in.ServeHTTP(w, r)
	a := answer{status: w.Code}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}

	return a
}

// repeated is a body of n times the same text.
func repeated(text string, n int) io.Reader {
	return io.LimitReader(&loop{text: text}, int64(n*len(text)))
}

type loop struct {
	text string
	at   int
}

func (l *loop) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		m := copy(p[n:], l.text[l.at:])
		l.at = (l.at + m) % len(l.text)
		n += m
	}

	return n, nil
}

func zipped(t *testing.T, body io.Reader) *bytes.Buffer {
	t.Helper()

	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := io.Copy(z, body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}

	return &out
}

const line = `{"timestamp":"2024-01-15T10:30:45.123Z","level":"INFO","logger":"api","message":"request completed","request_id":"req-abc123"}` + "\n"

func TestALargeBodyNeedsNoMoreMemoryThanASmallOne(t *testing.T) {
	var s store
	in, reg := newIntake(t, &s)
	send(t, in, repeated(line, 200_000))
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	const lines = 2_000_000 // 256 MB.
	var peak atomic.Uint64
	stop := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapSys-m.HeapReleased))
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	a := send(t, in, repeated(line, lines))
	close(stop)
	<-watched
	if a.status != 200 || a.Accepted != lines || s.count != lines+200_000 {
		t.Errorf("answers %+v, %d are stored", a, s.count)
	}
	if grown := int64(peak.Load()) - int64(before.HeapSys-before.HeapReleased); grown > 48<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if s.largest > 4<<20 {
		t.Errorf("the largest piece has %d bytes", s.largest)
	}
	want := fmt.Sprintf(`
# HELP llmwatch_log_intake_lines_total Log lines that arrived over HTTP, by outcome (accepted or rejected).
# TYPE llmwatch_log_intake_lines_total counter
llmwatch_log_intake_lines_total{outcome="accepted"} %d
llmwatch_log_intake_lines_total{outcome="rejected"} 0
`, lines+200_000)
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestZstdAndGzipAreTaken(t *testing.T) {
	var s store
	in, _ := newIntake(t, &s)
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := send(t, in, bytes.NewReader(encoder.EncodeAll([]byte("one\ntwo"), nil)), "Content-Encoding", "zstd"); a.Accepted != 2 {
		t.Errorf("zstd: %+v", a)
	}
	if a := send(t, in, zipped(t, strings.NewReader("three")), "Content-Encoding", "gzip"); a.Accepted != 1 {
		t.Errorf("gzip: %+v", a)
	}
}

func TestBadBodiesAreAnsweredAndWhatCameBeforeIsKept(t *testing.T) {
	cut := zipped(t, repeated(line, 100_000)).Bytes()
	window, err := zstd.NewWriter(nil, zstd.WithWindowSize(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	wide := window.EncodeAll(bytes.Repeat([]byte{'x'}, 65<<20), nil)
	for name, c := range map[string]struct {
		body   io.Reader
		header []string
		status int
		code   string
		least  int // Entries that are kept all the same.
	}{
		"cut gzip":                {bytes.NewReader(cut[:len(cut)-100]), []string{"Content-Encoding", "gzip"}, 400, "bad_request", 90_000},
		"no gzip":                 {strings.NewReader("plain"), []string{"Content-Encoding", "gzip"}, 400, "bad_request", 0},
		"empty gzip":              {strings.NewReader(""), []string{"Content-Encoding", "gzip"}, 400, "bad_request", 0},
		"unknown encoding":        {strings.NewReader("x"), []string{"Content-Encoding", "br"}, 415, "unsupported_encoding", 0},
		"wide zstd":               {bytes.NewReader(wide), []string{"Content-Encoding", "zstd"}, 413, "body_too_large", 0},
		"a bomb of lines":         {zipped(t, repeated("{}\n", 100<<20)), []string{"Content-Encoding", "gzip"}, 413, "body_too_large", 1000},
		"a bomb of zeros":         {zipped(t, repeated("\x00\x00\x00\x00", 128<<20)), []string{"Content-Encoding", "gzip"}, 413, "body_too_large", 0},
		"no client":               {strings.NewReader("x"), []string{"Llmwatch-Batch", "1"}, 400, "bad_request", 0},
		"bad client":              {strings.NewReader("x"), []string{"Llmwatch-Batch", "1", "Llmwatch-Client", "a b"}, 400, "bad_request", 0},
		"bad number":              {strings.NewReader("x"), []string{"Llmwatch-Batch", "0", "Llmwatch-Client", "a"}, 400, "bad_request", 0},
		"no number":               {strings.NewReader("x"), []string{"Llmwatch-Client", "a"}, 400, "bad_request", 0},
		"a large batch":           {repeated(line, 200_000), []string{"Llmwatch-Batch", "1", "Llmwatch-Client", "a"}, 413, "body_too_large", 0},
		"a batch of tiny entries": {repeated("{}\n", 5<<20), []string{"Llmwatch-Batch", "1", "Llmwatch-Client", "a"}, 413, "body_too_large", 0},
		"a cut batch":             {bytes.NewReader(cut[:1000]), []string{"Content-Encoding", "gzip", "Llmwatch-Batch", "1", "Llmwatch-Client", "a"}, 400, "bad_request", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var s store
			in, _ := newIntake(t, &s)
			begin := time.Now()
			a := send(t, in, c.body, c.header...)
			if a.status != c.status || a.Success || a.Error.Code != c.code || a.Error.Message == "" {
				t.Errorf("answers %+v", a)
			}
			if s.count != a.Accepted || s.count < c.least || (c.least == 0 && s.count != 0) {
				t.Errorf("%d are kept, %d are told, want at least %d", s.count, a.Accepted, c.least)
			}
			if took := time.Since(begin); took > 20*time.Second && !testtool.Race() {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestErrorsAreBounded(t *testing.T) {
	var s store
	in, _ := newIntake(t, &s)
	a := send(t, in, repeated("{\"timestamp\":-5}\nfine\n", 500))
	if a.Accepted != 500 || a.Rejected != 500 || len(a.Errors) != 100 || a.Omitted != 400 || a.Errors[99].Line != 199 {
		t.Errorf("answers %d accepted, %d rejected, %d errors, %d omitted", a.Accepted, a.Rejected, len(a.Errors), a.Omitted)
	}
}

func TestNumberedBatchesAreKeptOnce(t *testing.T) {
	var s store
	in, _ := newIntake(t, &s)
	for i, want := range []bool{false, true} {
		a := send(t, in, strings.NewReader("x\ny"), "Llmwatch-Client", "shipper-1", "Llmwatch-Batch", "7")
		if a.status != 200 || a.Accepted != 2 || a.Duplicate != want {
			t.Errorf("time %d: %+v", i, a)
		}
	}
	if s.count != 2 {
		t.Errorf("%d are kept", s.count)
	}
}

func TestAStoreThatFailsMidwayIsToldWithWhatIsKept(t *testing.T) {
	s := store{failAt: 2}
	in, _ := newIntake(t, &s)
	a := send(t, in, repeated(line, 500_000))
	if a.status != 503 || a.Error.Code != "log_store_unavailable" || !strings.Contains(a.Error.Message, "no space left on device") {
		t.Errorf("answers %+v", a)
	}
	if a.Accepted == 0 || a.Accepted != s.count {
		t.Errorf("%d are told, %d are kept", a.Accepted, s.count)
	}
}

func TestTooManyBodiesAtOnceAreToldToComeBack(t *testing.T) {
	s := store{entered: make(chan struct{}, 100), leave: make(chan struct{})}
	in, _ := newIntake(t, &s)
	var under sync.WaitGroup
	for i := range 2 {
		under.Go(func() {
			send(t, in, strings.NewReader("x"), "Llmwatch-Client", fmt.Sprint("c", i), "Llmwatch-Batch", "1")
		})
		<-s.entered
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/logs", strings.NewReader("x"))
	r.Header.Set("Llmwatch-Client", "another")
	r.Header.Set("Llmwatch-Batch", "1")
	w := httptest.NewRecorder()
	in.ServeHTTP(w, r)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("answers %d %s", w.Code, w.Body)
	}
	close(s.leave)
	under.Wait()
	if a := send(t, in, strings.NewReader("x"), "Llmwatch-Client", "another", "Llmwatch-Batch", "1"); a.status != 200 {
		t.Errorf("afterwards: %+v", a)
	}
}
