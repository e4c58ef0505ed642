package e2e

import (
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"llmwatch/test/fixture"
)

func TestSevenDaysOfHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const week = 7 * 24 * time.Hour
	end := time.Now().Truncate(fixture.Interval)
	begin := end.Add(-week + time.Minute)
	if err := fixture.Write(t.Context(), filepath.Join(dir, "metrics"), "elsewhere", begin, end); err != nil {
		t.Fatal(err)
	}
	intervals := int(end.Sub(begin) / fixture.Interval)
	_, r := llmwatch(t, "serve", "--data-dir", dir, "--retention-days", "8")

	var s struct {
		Data struct {
			System struct {
				AvgCPU    float64 `json:"avg_cpu_percent"`
				AvgMemory float64 `json:"avg_memory_percent"`
				AvgDisk   float64 `json:"avg_disk_percent"`
			} `json:"system"`
			API struct {
				Total   int     `json:"total_requests"`
				Errors  int     `json:"error_count"`
				Average float64 `json:"avg_response_time_ms"`
				Routes  int     `json:"unique_endpoints"`
				Rate    float64 `json:"error_rate_percent"`
			} `json:"api"`
		} `json:"data"`
	}
	r.get("/metrics/summary?hours=168", &s)
	// The first sample of each counter is 0, so the last one is the count.
	each := intervals - 1
	if got, want := s.Data.API.Total, fixture.Routes*len(fixture.Codes)*each; got != want {
		t.Errorf("total_requests is %d, want exactly %d", got, want)
	}
	if got, want := s.Data.API.Errors, fixture.Routes*each; got != want {
		t.Errorf("error_count is %d, want exactly %d", got, want)
	}
	if s.Data.API.Routes != fixture.Routes || s.Data.API.Average != 1000*fixture.RequestSeconds {
		t.Errorf("the API summary is %+v", s.Data.API)
	}

	var a systemAnswer
	if code := r.get("/metrics/system?minutes=10080&instance=elsewhere", &a); code != http.StatusOK {
		t.Fatalf("a week of samples answered %d", code)
	}
	if a.Count != intervals {
		t.Errorf("a week has %d elements, want one for each of the %d intervals", a.Count, intervals)
	}
	for _, sample := range a.Data {
		if sample.CPU != fixture.CPUPercent || sample.Memory != fixture.MemoryPercent || sample.Disk != fixture.DiskPercent {
			t.Fatalf("an element is %+v", sample)
		}
	}

	var api struct {
		Data []struct {
			Count  int     `json:"request_count"`
			Errors int     `json:"error_count"`
			Status int     `json:"status_code"`
			Time   float64 `json:"response_time_ms"`
		} `json:"data"`
		Count int `json:"count"`
	}
	// Ten minutes of three days ago: their rows and no other, and no host of today.
	past := end.Add(-72 * time.Hour).Truncate(time.Minute)
	bounds := "start=" + past.Add(-10*time.Minute).UTC().Format(time.RFC3339) + "&end=" + past.UTC().Format(time.RFC3339)
	r.get("/metrics/api?"+bounds, &api)
	if want := fixture.Routes * len(fixture.Codes) * int(10*time.Minute/fixture.Interval); api.Count != want {
		t.Errorf("ten minutes of three days ago have %d elements, want %d", api.Count, want)
	}
	var then struct {
		systemAnswer
		Instances []string `json:"instances"`
	}
	r.get("/metrics/system?"+bounds, &then)
	if want := int(10 * time.Minute / fixture.Interval); then.Count != want || !slices.Equal(then.Instances, []string{"elsewhere"}) {
		t.Errorf("ten minutes of three days ago have %d elements of %q, want %d", then.Count, then.Instances, want)
	}
	for _, sample := range then.Data {
		if sample.Timestamp.After(past) || !sample.Timestamp.After(past.Add(-10*time.Minute)) {
			t.Errorf("an element is of %s, beyond %s", sample.Timestamp, bounds)
		}
	}

	r.get("/metrics/summary?"+bounds, &s)
	if got, want := s.Data.API.Total, fixture.Routes*len(fixture.Codes)*int(10*time.Minute/fixture.Interval); got != want {
		t.Errorf("ten minutes of three days ago had %d requests, want exactly %d", got, want)
	}

	r.get("/metrics/api?minutes=10", &api)
	if want := fixture.Routes * len(fixture.Codes) * 10; api.Count < want {
		t.Errorf("ten minutes have %d elements, want at least %d", api.Count, want)
	}
	for _, e := range api.Data {
		if e.Count != 1 || e.Time != 1000*fixture.RequestSeconds || (e.Status >= 500) != (e.Errors == 1) {
			t.Fatalf("an element is %+v", e)
		}
	}
}
