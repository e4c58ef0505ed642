package metrics

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
)

func TestYields(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(question) (int, string)
		want   []map[string]string
		fails  bool
	}{
		"series": {
			answer: func(question) (int, string) {
				return value(model.Vector{{Metric: of("x", "a")}, {Metric: of("x", "b")}})
			},
			want: []map[string]string{{"__name__": "x", "instance": "a"}, {"__name__": "x", "instance": "b"}},
		},
		"none":     {func(question) (int, string) { return value(model.Vector{}) }, []map[string]string{}, false},
		"a number": {func(question) (int, string) { return value(&model.Scalar{Value: 1}) }, []map[string]string{{}}, false},
		"a part": {
			answer: always(http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["a store is away"]}`),
			fails:  true,
		},
		"what the server says of the expression": {
			answer: always(http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["PromQL warning: metric might not be a counter"]}`),
			want:   []map[string]string{},
		},
		"an error": {always(http.StatusBadGateway, ""), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, f := ask(t, time.Minute, tc.answer)
			got, err := c.Yields(t.Context(), "x", noon)
			if (err != nil) != tc.fails {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if at := f.questions("x")[0].at(t, "time"); !at.Equal(noon) {
				t.Errorf("it asked for %s, want %s", at, noon)
			}
		})
	}
}

func TestStarted(t *testing.T) {
	c, _ := ask(t, time.Minute, always(http.StatusOK, `{"status":"success","data":{"startTime":"2026-11-23T11:00:00Z"}}`))
	if got, err := c.Started(t.Context()); err != nil || !got.Equal(noon.Add(-time.Hour)) {
		t.Errorf("it was started at %s (%v), want 11:00", got, err)
	}
	for name, answer := range map[string]func(question) (int, string){
		"no such path": always(http.StatusNotFound, "404 page not found"),
		"no such time": always(http.StatusOK, `{"status":"success","data":{}}`),
	} {
		c, _ := ask(t, time.Minute, answer)
		if got, err := c.Started(t.Context()); !errors.Is(err, ErrNotTold) {
			t.Errorf("%s: it was started at %s (%v), want ErrNotTold", name, got, err)
		}
	}
}
