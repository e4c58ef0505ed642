package metrics

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is what the clock of every test shows.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// question is one request to the fake server.
type question struct {
	path string
	url.Values
}

// at returns a parameter that is a time.
func (q question) at(t *testing.T, name string) time.Time {
	t.Helper()

	var seconds float64
	if _, err := fmt.Sscan(q.Get(name), &seconds); err != nil {
		t.Fatalf("%s=%q is not a time: %v", name, q.Get(name), err)
	}

	return time.UnixMilli(int64(seconds*1000 + 0.5)).UTC()
}

// fake is a metrics server that answers what a test tells it to.
type fake struct {
	mu     sync.Mutex
	asked  []question
	answer func(q question) (status int, body string)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q := question{r.URL.Path, r.Form}
	f.mu.Lock()
	f.asked = append(f.asked, q)
	answer := f.answer
	f.mu.Unlock()
	status, body := answer(q)
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// questions returns those whose query contains a text.
func (f *fake) questions(containing string) []question {
	f.mu.Lock()
	defer f.mu.Unlock()

	return slices.DeleteFunc(slices.Clone(f.asked), func(q question) bool { return !strings.Contains(q.Get("query"), containing) })
}

// change replaces what the server answers from now on.
func (f *fake) change(answer func(q question) (int, string)) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.answer = answer
}

// ask returns a client of a fake server.
func ask(t *testing.T, interval time.Duration, answer func(q question) (int, string)) (*Client, *fake) {
	t.Helper()

	f := &fake{answer: answer}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	c, err := New(Config{
		URL: server.URL, Transport: server.Client().Transport, Interval: interval,
		Now: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}

	return c, f
}

// value is the API's success with a value in it.
func value(v model.Value) (status int, body string) {
	result, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}

	return http.StatusOK, fmt.Sprintf(`{"status":"success","data":{"resultType":%q,"result":%s}}`, v.Type(), result)
}

// failure is the API's error.
func failure(status int, kind, text string) (code int, body string) {
	return status, fmt.Sprintf(`{"status":"error","errorType":%q,"error":%q}`, kind, text)
}

// always gives the same answer.
func always(status int, body string) func(question) (int, string) {
	return func(question) (int, string) { return status, body }
}

// anchoredServer knows the anchored modifier and leaves the rest to a test.
func anchoredServer(answer func(q question) (int, string)) func(question) (int, string) {
	return func(q question) (int, string) {
		if strings.Contains(q.Get("query"), "up[1m] anchored") {
			return value(model.Vector{})
		}

		return answer(q)
	}
}

// plainServer does not know it.
func plainServer(answer func(q question) (int, string)) func(question) (int, string) {
	return func(q question) (int, string) {
		if strings.Contains(q.Get("query"), "anchored") {
			return failure(http.StatusBadRequest, "bad_data", `parse error: unexpected identifier "anchored"`)
		}

		return answer(q)
	}
}

// stream is a series with one value at each moment given as time before noon.
func stream(metric model.Metric, values map[time.Duration]float64) *model.SampleStream {
	s := &model.SampleStream{Metric: metric}
	for before, v := range values {
		s.Values = append(s.Values, model.SamplePair{Timestamp: model.TimeFromUnixNano(noon.Add(-before).UnixNano()), Value: model.SampleValue(v)})
	}
	slices.SortFunc(s.Values, func(a, b model.SamplePair) int { return int(a.Timestamp - b.Timestamp) })

	return s
}

// of is the metric of a recorded series of a host.
func of(name, instance string) model.Metric {
	return model.Metric{model.MetricNameLabel: model.LabelValue(name), "instance": model.LabelValue(instance)}
}

// requests is the metric of an endpoint.
func requests(route, method, code string) model.Metric {
	return model.Metric{labelRoute: model.LabelValue(route), labelMethod: model.LabelValue(method), labelCode: model.LabelValue(code)}
}
