package bridge

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// file is a download.
type file struct {
	status int
	name   string // The header that names it.
	body   string
}

func (b *bench) download(path string) file {
	b.t.Helper()

	resp := b.do(httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, Base+path, http.NoBody))
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}

	return file{resp.StatusCode, resp.Header.Get("Content-Disposition"), string(body)}
}

func TestExportsAreFilesWithTheRowsOfTheLists(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	got := b.download("/export/system?minutes=5")
	want := "timestamp,cpu_percent,memory_percent,disk_usage_percent,network_bytes_sent,network_bytes_recv,active_connections\n" +
		"2026-11-23T12:00:00.000Z,45.2,67.8,23.4,1,2,3\n"
	if got.body != want || got.name != `attachment; filename="llmwatch-system-20261123T120000Z.csv"` {
		t.Errorf("got %s as %s\nwant %s", got.body, got.name, want)
	}
	for _, kind := range []string{"system", "api", "app"} {
		got := b.download("/export/" + kind + "?format=json")
		var rows, listed struct{ Data json.RawMessage }
		rows.Data = json.RawMessage(got.body)
		b.get("/metrics/"+kind, &listed)
		if diff := cmp.Diff(compact(t, listed.Data), compact(t, rows.Data)); diff != "" || !strings.HasSuffix(got.name, `.json"`) {
			t.Errorf("%s: (-list +export):\n%s", kind, diff)
		}
	}
}

func compact(t *testing.T, text json.RawMessage) any {
	t.Helper()

	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}

	return v
}

func TestExportWithoutRowsHasItsColumns(t *testing.T) {
	b := put(t, &fakeMetrics{api: func(time.Time, time.Duration) ([]metrics.APISample, error) { return nil, nil }}, nil)
	if body := b.download("/export/api").body; !strings.HasPrefix(body, "timestamp,endpoint,method,status_code,") || strings.Count(body, "\n") != 1 {
		t.Errorf("CSV is %q", body)
	}
	if body := b.download("/export/api?format=json").body; body != "[]\n" {
		t.Errorf("JSON is %q", body)
	}
}

func TestExportOfAlertsGoesThroughAllPages(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	const n = exportPage + 5
	all := make([]alert.Seen, n)
	for i := range all {
		all[i] = seen(fmt.Sprintf("alert_%d", i), "low", longAgo.Add(time.Duration(i)*time.Second))
	}
	b.fire(all...)
	b.answers(b.acknowledge("alert_7_20240115", `{"acknowledged_by": "=cmd()", "comment": "two\nlines, \"quoted\""}`), http.StatusOK, nil)
	rows, err := csv.NewReader(strings.NewReader(b.download("/export/alerts").body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != n+1 || rows[1][0] != fmt.Sprintf("alert_%d_20240115", n-1) {
		t.Errorf("%d rows, the first is %v", len(rows), rows[1])
	}
	row := map[string]string{}
	for i, column := range rows[0] {
		row[column] = rows[n-7][i]
	}
	// A spreadsheet would run what begins with an equals sign.
	if row["id"] != "alert_7_20240115" || row["acknowledged_by"] != "'=cmd()" || row["comment"] != "two\nlines, \"quoted\"" || row["resolved_at"] != "" {
		t.Errorf("the acknowledged one is %v", row)
	}
	if body := b.download("/export/alerts?name=alert_3").body; strings.Count(body, "\n") != 2 {
		t.Errorf("a filter lets pass %s", body)
	}
}

func TestExportRefusesWhatItDoesNotKnow(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	for _, path := range []string{"/export/system?format=xml", "/export/api?minutes=0", "/export/alerts?since=x", "/export/alerts?severity=x"} {
		if got := b.download(path); got.status != http.StatusBadRequest || got.name != "" {
			t.Errorf("%s answers %+v", path, got)
		}
	}
}

// breaking fails on the second page.
type breaking struct{ alert.Store }

func (b breaking) List(ctx context.Context, f alert.Filter) (alert.Page, error) {
	if f.Cursor != "" {
		return alert.Page{}, errors.New("the disk is gone")
	}
	f.Limit = 1

	return b.Store.List(ctx, f)
}

func TestHalfAnExportDoesNotLookWhole(t *testing.T) {
	b := put(t, &fakeMetrics{}, func(o *Options) { o.AlertStore = breaking{o.AlertStore} })
	b.fire(seen("a", "low", longAgo), seen("b", "low", longAgo))
	outside := httptest.NewServer(b.handler)
	defer outside.Close()
	resp, err := outside.Client().Get(outside.URL + Base + "/export/alerts")
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("the client takes it for whole")
	}
	if log := b.log.String(); !strings.Contains(log, "the disk is gone") || strings.Contains(log, "panicked") {
		t.Errorf("the log says %s", log)
	}
}
