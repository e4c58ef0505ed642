package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/metrics"
)

// alertsForm is the documented answer of /alerts, as a client would declare it.
type alertsForm struct {
	Data []struct {
		ID          string    `json:"id"`
		Description string    `json:"description"`
		CreatedAt   time.Time `json:"created_at"`
		UpdatedAt   time.Time `json:"updated_at"`
		Metadata    struct {
			Metrics *struct {
				Hours float64 `json:"time_period_hours"`
			} `json:"metrics"`
			Value *float64 `json:"value"`
		} `json:"metadata"`
	} `json:"data"`
	Count int `json:"count"`
}

func (a alertsForm) ids() []string {
	ids := []string{}
	for _, alert := range a.Data {
		ids = append(ids, alert.ID)
	}

	return ids
}

func fires(alerts ...metrics.FiringAlert) *fakeMetrics {
	return &fakeMetrics{firing: func(context.Context) ([]metrics.FiringAlert, error) { return alerts, nil }}
}

func TestAlertIDs(t *testing.T) {
	b := put(t, fires(
		firing("cpu", "high", noon),
		firing("cpu", "low", noon.Add(-time.Minute)),
		firing("disk", "medium", noon.Add(-time.Hour)),
		firing("cpu", "high", noon.Add(-2*time.Hour)),
		// The day in UTC counts, whatever the zone of the clock.
		firing("cpu", "critical", time.Date(2026, 11, 23, 1, 0, 0, 0, time.FixedZone("", 2*3600))),
	), nil)
	all := []string{"cpu_20261123_3", "cpu_20261123_2", "disk_20261123", "cpu_20261123", "cpu_20261122"}
	for query, want := range map[string][]string{
		"":                          all,
		"?limit=2":                  all[:2],
		"?status=triggered":         all,
		"?status=active":            {},
		"?status=acknowledged":      {},
		"?severity=high":            {all[0], all[3]},
		"?name=cpu&severity=low":    {all[1]},
		"?name=disk":                {all[2]},
		"?name=":                    {},
		"?name=cpu&limit=1":         {all[0]},
		"?severity=high&limit=1":    {all[0]},
		"?severity=critical&name=x": {},
	} {
		var a alertsForm
		b.get("/alerts"+query, &a)
		if diff := cmp.Diff(want, a.ids()); diff != "" || a.Count != len(want) {
			t.Errorf("%s: count %d (-want +got):\n%s", query, a.Count, diff)
		}
	}
}

func TestAlertIsShown(t *testing.T) {
	alert := firing("cpu", "high", noon)
	described := firing("disk", "high", noon)
	described.Annotations = map[string]string{"summary": "short", "description": "long"}
	described.Value = math.NaN()
	bare := firing("up", "high", noon)
	bare.Annotations = map[string]string{}
	bare.Value = math.Inf(1)
	var a alertsForm
	put(t, fires(alert, described, bare), nil).get("/alerts", &a)
	for i, want := range []string{"It is so.", "long", ""} {
		if got := a.Data[i].Description; got != want {
			t.Errorf("alert %d is described as %q, want %q", i, got, want)
		}
	}
	if v := a.Data[0].Metadata.Value; v == nil || *v != 85.2 {
		t.Errorf("the value is %v", v)
	}
	if a.Data[1].Metadata.Value != nil || a.Data[2].Metadata.Value != nil {
		t.Error("NaN and infinity are shown as numbers")
	}
	if !a.Data[0].CreatedAt.Equal(alert.Since) || !a.Data[0].UpdatedAt.Equal(alert.Fired) {
		t.Errorf("it is shown as of %s and %s", a.Data[0].CreatedAt, a.Data[0].UpdatedAt)
	}
}

func TestAlertsShowTheMetricsOfTheirMoment(t *testing.T) {
	var alerts []metrics.FiringAlert
	for i := range maxSummaries + 5 {
		fired := noon.Add(-time.Duration(i) * time.Hour).Add(17 * time.Second)
		alerts = append(alerts, firing(fmt.Sprintf("a%d", i), "high", fired), firing(fmt.Sprintf("b%d", i), "high", fired.Add(20*time.Second)))
	}
	m := fires(alerts...)
	asked := map[time.Time]int{}
	m.summary = func(at time.Time, window time.Duration) (metrics.Summary, error) {
		asked[at]++
		return metrics.Summary{Hours: window.Hours(), API: metrics.APISummary{TopEndpoints: []metrics.EndpointUsage{}}, App: noApp}, nil
	}
	b := put(t, m, nil)
	var a alertsForm
	for range 2 { // The second time out of the cache.
		b.get("/alerts", &a)
	}
	if len(asked) != maxSummaries {
		t.Errorf("%d moments were asked about, want %d", len(asked), maxSummaries)
	}
	for at, n := range asked {
		if n != 1 || at.Second() != 0 {
			t.Errorf("%s was asked about %d times", at, n)
		}
	}
	for i, alert := range a.Data {
		if shown := alert.Metadata.Metrics != nil; shown != (i < 2*maxSummaries) || shown && alert.Metadata.Metrics.Hours != 1 {
			t.Errorf("alert %d shows %+v", i, alert.Metadata.Metrics)
		}
	}
}

func TestAlertsFailWhenTheirSummaryDoes(t *testing.T) {
	b := put(t, &fakeMetrics{summary: func(time.Time, time.Duration) (metrics.Summary, error) {
		return metrics.Summary{}, metrics.ErrUnavailable
	}}, nil)
	b.fails(request(t, "GET", Base+"/alerts"), 503, CodePrometheusUnavailable, "")
}

func TestErrorBodyIsJSONWhateverTheMessage(t *testing.T) {
	var e errorForm
	if err := json.Unmarshal((&Error{Code: "x", Message: "\x00\x7f\"\xff\U0001F600</script>"}).Body(), &e); err != nil || e.Error.Code != "x" {
		t.Errorf("%+v (%v)", e, err)
	}
}
