package push

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"llmwatch/exporter"
)

// update makes golden tests write what they would otherwise compare with.
var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// start is where the clocks of the tests begin.
func start() time.Time { return time.Date(2024, 1, 15, 10, 30, 45, 0, time.UTC) }

// bench is a receiver with what it records into, under a clock of the test.
type bench struct {
	testing.TB

	receiver *Receiver
	registry *prometheus.Registry
	now      time.Time
}

// newBench makes a bench. change may change the options of the receiver.
func newBench(tb testing.TB, change func(*Options)) *bench {
	tb.Helper()

	b := &bench{TB: tb, registry: prometheus.NewRegistry(), now: start()}
	clock := func() time.Time { return b.now }
	api, err := exporter.NewAPI(b.registry, exporter.APIOptions{Now: clock})
	if err != nil {
		tb.Fatal(err)
	}
	app, err := exporter.NewApp(b.registry, exporter.AppOptions{Now: clock})
	if err != nil {
		tb.Fatal(err)
	}
	options := Options{API: api, App: app, Registerer: b.registry, Now: clock}
	if change != nil {
		change(&options)
	}
	b.receiver, err = New(options)
	if err != nil {
		tb.Fatal(err)
	}

	return b
}

// answered is the answer to a push, as a client would declare it.
type answered struct {
	Status  int `json:"-"`
	Success bool
	Error   struct{ Code, Message string }

	Accepted, Rejected int
	Errors             []struct {
		Index int
		Error string
	}
	Omitted int `json:"errors_omitted"`
}

// texts returns the errors of the items.
func (a answered) texts() []string {
	texts := []string{}
	for _, e := range a.Errors {
		texts = append(texts, e.Error)
	}

	return texts
}

// post sends a body, with headers given as name and value in turn.
func (b *bench) post(h http.Handler, body string, headers ...string) answered {
	b.Helper()

	req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", strings.NewReader(body))
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	a := answered{Status: w.Code}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		b.Fatalf("the answer is not JSON: %v\n%s", err, w.Body)
	}

	return a
}

// pass sends a body of which every item must be accepted.
func (b *bench) pass(h http.Handler, body string) {
	b.Helper()

	if a := b.post(h, body); a.Status != http.StatusOK || a.Rejected != 0 || a.Accepted == 0 {
		b.Fatalf("%s\nanswered %+v, want all accepted", body, a)
	}
}

// value returns the value of a series, or the count of a histogram, by its
// label values in any order; -1 if there is none.
func (b *bench) value(name string, labels ...string) float64 {
	b.Helper()

	for _, m := range b.series(name) {
		var values []string
		for _, label := range m.GetLabel() {
			values = append(values, label.GetValue())
		}
		slices.Sort(values)
		want := slices.Sorted(slices.Values(labels))
		if !slices.Equal(values, want) {
			continue
		}
		switch {
		case m.Counter != nil:
			return m.GetCounter().GetValue()
		case m.Gauge != nil:
			return m.GetGauge().GetValue()
		default:
			return float64(m.GetHistogram().GetSampleCount())
		}
	}

	return -1
}

// series returns the series of a metric.
func (b *bench) series(name string) []*dto.Metric {
	b.Helper()

	families, err := b.registry.Gather()
	if err != nil {
		b.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()
		}
	}

	return nil
}

// golden compares got with a file below testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()

	path := "testdata/" + file
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update to create it)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run the test with -update to accept it); got:\n%s", path, got)
	}
}
