package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/alert/sqlite"
	"llmwatch/bridge/metrics"
)

// longAgo is when the alerts of these tests fire: in the past, whatever the
// machine's clock says.
var longAgo = time.Date(2024, 1, 15, 12, 0, 0, 0, time.UTC)

// notifier is a channel that answers the same to everything.
type notifier struct {
	result alert.Result
	err    error
}

func (n notifier) Notify(context.Context, alert.Notification, alert.Extra) (alert.Result, error) {
	return n.result, n.err
}

// alerting returns a store of its own and a manager that keeps alerts in it,
// with a channel that accepts everything and one that refuses everything.
func alerting(tb testing.TB) (*sqlite.Store, *alert.Manager) {
	tb.Helper()

	store, err := sqlite.Open(context.Background(), filepath.Join(tb.TempDir(), "llmwatch.db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := store.Close(); err != nil {
			tb.Errorf("closing the store: %v", err)
		}
	})

	return store, alert.NewManager(alert.Config{
		Store:  store,
		Logger: slog.New(slog.DiscardHandler),
		Summary: func(ctx context.Context, at time.Time) (json.RawMessage, error) {
			summary, err := (&fakeMetrics{}).Summary(ctx, at, time.Hour)
			if err != nil {
				return nil, err
			}
			summary.System.DataPoints = at.Unix() // So that tests see of when it is.

			return json.Marshal(summary)
		},
		Routing: alert.Routing{
			Policy: alert.Policy{Channels: []string{"mail"}, SendResolved: true},
			Notifiers: map[string]alert.Notifier{
				"mail":   notifier{result: alert.Result{Text: "250 accepted"}},
				"broken": notifier{result: alert.Result{Text: "550 no such user"}, err: errors.New("refused")},
			},
		},
	})
}

// seen is an alert that fired then, as a source tells of it.
func seen(name, severity string, fired time.Time) alert.Seen {
	value := 85.2

	return alert.Seen{
		Labels:      map[string]string{"alertname": name, "severity": severity, "fired": fired.Format(time.RFC3339)},
		Annotations: map[string]string{"summary": "It is so."},
		Value:       &value,
		StartsAt:    fired.Add(-5 * time.Minute),
		For:         5 * time.Minute,
	}
}

// fire lets these alerts fire and no other.
func (b *bench) fire(alerts ...alert.Seen) {
	b.t.Helper()

	ended := func(*alert.Alert) alert.Verdict { return alert.Verdict{Ended: true} }
	if err := b.manager.Observe(b.t.Context(), alert.Snapshot{Complete: true, Missing: ended, Alerts: alerts}); err != nil {
		b.t.Fatal(err)
	}
}

// acknowledge asks for it over the API.
func (b *bench) acknowledge(id, body string) *http.Request {
	return b.posting(Base+"/alerts/"+id+"/acknowledge", body)
}

func (b *bench) posting(path, body string) *http.Request {
	return httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, path, strings.NewReader(body))
}

// answers sends a request and decodes the answer.
func (b *bench) answers(r *http.Request, status int, into any) string {
	b.t.Helper()

	resp := b.do(r)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if resp.StatusCode != status {
		b.t.Fatalf("%s %s answered %d %s, want %d", r.Method, r.URL, resp.StatusCode, body, status)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			b.t.Fatalf("%s %s answered %s: %v", r.Method, r.URL, body, err)
		}
	}

	return string(body)
}

// alertForm is a documented alert, as a client would declare it.
type alertForm struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Severity    string       `json:"severity"`
	Status      string       `json:"status"`
	Origin      alert.Origin `json:"origin"`
	CreatedAt   time.Time    `json:"created_at"`
	FiredAt     time.Time    `json:"fired_at"`
	ResolvedAt  *time.Time   `json:"resolved_at"`
	Ack         *struct {
		By        string     `json:"by"`
		Comment   string     `json:"comment"`
		ExpiresAt *time.Time `json:"expires_at"`
		At        time.Time  `json:"at"`
	} `json:"acknowledgement"`
	Metadata struct {
		Metrics     *metrics.Summary  `json:"metrics"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		Value       *float64          `json:"value"`
	} `json:"metadata"`
	Timeline []struct {
		Kind string    `json:"kind"`
		By   string    `json:"by"`
		Text string    `json:"text"`
		At   time.Time `json:"at"`
	} `json:"timeline"`
}

type alertsForm struct {
	Data  []alertForm `json:"data"`
	Count int         `json:"count"`
	Next  *string     `json:"next_cursor"`
}

func (a alertsForm) ids() []string {
	ids := []string{}
	for i := range a.Data {
		ids = append(ids, a.Data[i].ID)
	}

	return ids
}

func (b *bench) one(id string) alertForm {
	b.t.Helper()

	var a struct {
		Data alertForm `json:"data"`
	}
	b.answers(request(b.t, http.MethodGet, Base+"/alerts/"+id), http.StatusOK, &a)

	return a.Data
}

func TestAlertsAreFilteredAndTheNewestFirst(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	b.fire(
		seen("cpu", "critical", longAgo.Add(-24*time.Hour)),
		seen("cpu", "high", longAgo.Add(-2*time.Hour)),
		seen("disk", "warning", longAgo.Add(-time.Hour)),
		seen("cpu", "low", longAgo.Add(-time.Minute)),
		seen("cpu", "high", longAgo),
		seen("gone", "high", longAgo),
	)
	b.fire( // All but gone.
		seen("cpu", "critical", longAgo.Add(-24*time.Hour)),
		seen("cpu", "high", longAgo.Add(-2*time.Hour)),
		seen("disk", "warning", longAgo.Add(-time.Hour)),
		seen("cpu", "low", longAgo.Add(-time.Minute)),
		seen("cpu", "high", longAgo),
	)
	b.answers(b.acknowledge("disk_20240115", ""), http.StatusOK, nil)
	all := []string{"cpu_20240115_3", "cpu_20240115_2", "disk_20240115", "cpu_20240115", "cpu_20240114"}
	for query, want := range map[string][]string{
		"":                       all,
		"?limit=2":               all[:2],
		"?limit=10000":           all,
		"?status=triggered":      {all[0], all[1], all[3], all[4]},
		"?status=active":         {},
		"?status=acknowledged":   {all[2]},
		"?severity=high":         {all[0], all[3]},
		"?severity=medium":       {all[2]},
		"?name=cpu&severity=low": {all[1]},
		"?name=disk":             {all[2]},
		"?name=nothing":          {},
		"?name=gone":             {},
		"?name=cpu&limit=1":      {all[0]},

		"?status=triggered,acknowledged&severity=medium&severity=low": {all[1], all[2]},
		"?name=disk&name=gone&name=":                                  {all[2]},
		"?severity=critical&limit=1":                                  {all[4]},
	} {
		var a alertsForm
		if b.get("/alerts"+query, &a); a.Count != len(want) || !slices.Equal(a.ids(), want) {
			t.Errorf("%s: count %d (-want +got):\n%s", query, a.Count, cmp.Diff(want, a.ids()))
		}
	}
}

func TestAlertIsShownWhole(t *testing.T) {
	described, bare := seen("disk", "page", longAgo), seen("up", "", longAgo)
	described.Annotations["description"] = "long"
	infinite := math.Inf(1)
	bare.Annotations, bare.Value = nil, &infinite
	b := put(t, &fakeMetrics{}, nil)
	b.fire(seen("cpu", "high", longAgo), described, bare)
	cpu, disk, up := b.one("cpu_20240115"), b.one("disk_20240115"), b.one("up_20240115")
	for _, tc := range []struct{ what, got, want string }{
		{"description from summary", cpu.Description, "It is so."},
		{"description", disk.Description, "long"},
		{"description from nothing", up.Description, ""},
		{"severity from elsewhere", disk.Severity, "critical"},
		{"severity from nothing", up.Severity, "medium"},
		{"name", up.Name, "up"},
		{"status", up.Status, "triggered"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s is %q, want %q", tc.what, tc.got, tc.want)
		}
	}
	if v := cpu.Metadata.Value; v == nil || *v != 85.2 || up.Metadata.Value != nil {
		t.Errorf("the values are %v and %v, want 85.2 and null", v, up.Metadata.Value)
	}
	if !cpu.CreatedAt.Equal(longAgo.Add(-5*time.Minute)) || !cpu.FiredAt.Equal(longAgo) || cpu.ResolvedAt != nil {
		t.Errorf("it began %s, fired %s and was resolved %v", cpu.CreatedAt, cpu.FiredAt, cpu.ResolvedAt)
	}
	if m := cpu.Metadata; m.Metrics == nil || m.Metrics.Hours != 1 || m.Metrics.System.DataPoints != longAgo.Unix() || m.Labels["alertname"] != "cpu" {
		t.Errorf("the metadata are %+v", m)
	}
	if up.Metadata.Annotations == nil || cpu.Ack != nil {
		t.Errorf("annotations are %v, the acknowledgement is %v; want {} and null", up.Metadata.Annotations, cpu.Ack)
	}
}

func TestTimelineTellsTheWholeLife(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	b.fire(seen("cpu", "high", longAgo))
	b.answers(b.acknowledge("cpu_20240115", `{"comment": "Mine.", "acknowledged_by": "ada"}`), http.StatusOK, nil)
	b.fire()
	a := b.one("cpu_20240115")
	var kinds []string
	for _, e := range a.Timeline {
		kinds = append(kinds, e.Kind)
		if e.Kind == "acknowledged" && (e.By != "ada" || e.Text != "Mine.") {
			t.Errorf("the acknowledgement is told as %+v", e)
		}
	}
	// The order of what happened in one moment is not promised.
	for _, want := range []string{"pending_since", "fired", "queued", "acknowledged", "resolved"} {
		if !slices.Contains(kinds, want) {
			t.Errorf("the timeline %v lacks %s", kinds, want)
		}
	}
	if kinds[0] != "pending_since" || !a.Timeline[0].At.Equal(longAgo.Add(-5*time.Minute)) {
		t.Errorf("the timeline begins with %+v", a.Timeline[0])
	}
	if a.Status != "resolved" || a.ResolvedAt == nil || a.Ack != nil {
		t.Errorf("at the end it is %+v", a)
	}
}

func TestAlertThatAChannelAcceptedIsActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := put(t, &fakeMetrics{}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { b.manager.Run(ctx) })
		b.fire(seen("cpu", "high", time.Now()))
		synctest.Wait()
		var a alertsForm
		if b.get("/alerts?status=active", &a); a.Count != 1 || a.Data[0].Status != "active" {
			t.Errorf("active alerts are %+v", a)
		}
		cancel()
		running.Wait()
	})
}

func TestHistory(t *testing.T) {
	b := put(t, &fakeMetrics{}, func(o *Options) { o.Now = func() time.Time { return longAgo } })
	var alerts []alert.Seen
	for i := range 7 { // a6, the newest, fired at longAgo.
		alerts = append(alerts, seen(fmt.Sprintf("a%d", i), "high", longAgo.Add(time.Duration(i-6)*time.Hour)))
	}
	b.fire(alerts...)
	b.fire(alerts[3:]...)
	names := func(a alertsForm) string {
		var all strings.Builder
		for i := range a.Data {
			all.WriteString(strings.TrimPrefix(a.Data[i].Name, "a"))
		}

		return all.String()
	}
	for query, want := range map[string]string{
		"":                                    "6543210",
		"?status=resolved":                    "210",
		"?status=triggered":                   "6543",
		"?name=a2":                            "2",
		"?since=-1h":                          "65",
		"?until=-1h":                          "43210",
		"?since=-3h&until=-1h":                "43",
		"?since=2024-01-15T09:00:00Z&limit=2": "65",
		"?since=2024-01-15T11:00:00%2B02:00":  "6543",
		"?until=2024-01-15T06:00:00.001Z":     "0",
		"?since=-1h&until=-2h":                "",
		"?since=2030-01-01T00:00:00Z":         "",
		"?severity=low":                       "",
	} {
		var a alertsForm
		if b.get("/alerts/history"+query, &a); names(a) != want || a.Count != len(want) {
			t.Errorf("%s: %s (count %d), want %s", query, names(a), a.Count, want)
		}
	}
	for query, says := range map[string]string{
		"?since=yesterday":                          `since must be a time such as 2024-01-15T10:30:45Z or -1h, got "yesterday"`,
		"?until=-1fortnight":                        `until must be a time such as`,
		"?until=2024-01-15":                         `until must be a time such as`,
		"?cursor=nonsense":                          `cursor must be the next_cursor of the page before, got "nonsense"`,
		"?cursor=1.2.3":                             "cursor must be",
		"?cursor=" + strings.Repeat("9", 80) + ".1": strings.Repeat("9", 64) + `..."`,
	} {
		b.fails(request(t, http.MethodGet, Base+"/alerts/history"+query), 400, CodeInvalidParameter, says)
	}
}

func TestHistoryPages(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	var alerts []alert.Seen
	for i := range 5 {
		alerts = append(alerts, seen(fmt.Sprintf("a%d", i), "high", longAgo.Add(time.Duration(i/2)*time.Hour)))
	}
	b.fire(alerts...)
	var got []string
	query := "?limit=2"
	for page := range 3 {
		var a alertsForm
		b.get("/alerts/history"+query, &a)
		got = append(got, a.ids()...)
		if last := page == 2; (a.Next == nil) != last {
			t.Fatalf("page %d has the cursor %v", page, a.Next)
		}
		if a.Next != nil {
			query = "?limit=2&cursor=" + url.QueryEscape(*a.Next)
		}
		// What fires meanwhile moves no page.
		alerts = append(alerts, seen(fmt.Sprintf("late%d", page), "high", longAgo.Add(24*time.Hour)))
		b.fire(alerts...)
	}
	slices.Sort(got)
	if want := []string{"a0_20240115", "a1_20240115", "a2_20240115", "a3_20240115", "a4_20240115"}; !slices.Equal(got, want) {
		t.Errorf("the pages hold %v, want each of %v once", got, want)
	}
}

func TestAcknowledge(t *testing.T) {
	const id = "cpu_20240115"
	for name, tc := range map[string]struct {
		body, by, comment string
		lasts             time.Duration
	}{
		"without a body":      {"", "anonymous", "", 0},
		"with an empty one":   {"{}", "anonymous", "", 0},
		"with null":           {"null", "anonymous", "", 0},
		"with everything":     {`{"comment": "Mine.", "acknowledged_by": "ada", "expires_in": "2h"}`, "ada", "Mine.", 2 * time.Hour},
		"with a longer while": {`{"expires_in": "1d12h"}`, "anonymous", "", 36 * time.Hour},
		"with other fields":   {`{"comment": "x", "more": 1}`, "anonymous", "x", 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := put(t, &fakeMetrics{}, nil)
			b.fire(seen("cpu", "high", longAgo))
			var answer struct {
				Success bool   `json:"success"`
				Message string `json:"message"`
			}
			b.answers(b.acknowledge(id, tc.body), http.StatusOK, &answer)
			if !answer.Success || answer.Message != "Alert "+id+" acknowledged" {
				t.Errorf("answered %+v", answer)
			}
			a := b.one(id)
			if a.Status != "acknowledged" || a.Ack == nil {
				t.Fatalf("it is %+v", a)
			}
			var lasts time.Duration
			if a.Ack.ExpiresAt != nil {
				lasts = a.Ack.ExpiresAt.Sub(a.Ack.At)
			}
			if a.Ack.By != tc.by || a.Ack.Comment != tc.comment || lasts != tc.lasts {
				t.Errorf("it is acknowledged as %+v, want by %s with %q for %s", a.Ack, tc.by, tc.comment, tc.lasts)
			}
			before := a
			b.answers(b.acknowledge(id, `{"acknowledged_by": "somebody else"}`), http.StatusOK, nil)
			if diff := cmp.Diff(before, b.one(id)); diff != "" {
				t.Errorf("the second acknowledgement changed it (-before +after):\n%s", diff)
			}
		})
	}
}

func TestAcknowledgeThatIsRefusedChangesNothing(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	b.fire(seen("cpu", "high", longAgo), seen("gone", "high", longAgo))
	b.fire(seen("cpu", "high", longAgo))
	const id = "cpu_20240115"
	for _, tc := range []struct {
		id, body   string
		status     int
		code, says string
	}{
		{id, "{", 400, CodeBadRequest, "the body must be a JSON object"},
		{id, "[]", 400, CodeBadRequest, "the body must be a JSON object"},
		{id, `{"comment": 1}`, 400, CodeBadRequest, "comment"},
		{id, `{} {}`, 400, CodeBadRequest, "the body must be a JSON object"},
		{id, `{"expires_in": "soon"}`, 400, CodeInvalidParameter, `expires_in must be a duration such as 30m or 2h, got "soon"`},
		{id, `{"expires_in": "0"}`, 400, CodeInvalidParameter, `got "0"`},
		{id, `{"expires_in": "-2h"}`, 400, CodeInvalidParameter, `got "-2h"`},
		{id, `{"comment": "` + strings.Repeat("x", maxSmallBody) + `"}`, 413, CodeTooLarge, "the body must be at most 65536 bytes"},
		{"gone_20240115", "", 409, CodeResolved, "alert gone_20240115 is already resolved"},
		{"nothing", "", 404, CodeNotFound, `there is no alert "nothing"`},
	} {
		b.fails(b.acknowledge(tc.id, tc.body), tc.status, tc.code, tc.says)
	}
	if a := b.one(id); a.Status != "triggered" || a.Ack != nil {
		t.Errorf("it is %+v", a)
	}
	if allow := b.fails(request(t, http.MethodGet, Base+"/alerts/"+id+"/acknowledge"), 405, CodeMethodNotAllowed, "").Get("Allow"); allow != "POST" {
		t.Errorf("Allow is %q", allow)
	}
}

// brokenBody is what a client leaves that breaks off in the middle.
type brokenBody struct{ io.Reader }

func (b brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}

	return n, err
}

func TestBodyThatBreaksOffIsTheClientsMistake(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	b.fire(seen("cpu", "high", longAgo))
	for _, path := range []string{"/alerts/cpu_20240115/acknowledge", "/notifications/test", "/webhooks/alertmanager"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Base+path, brokenBody{strings.NewReader(`{"comment"`)})
		b.fails(r, 400, CodeBadRequest, "the body cannot be read")
	}
}

func TestDatabaseThatFailsIsAnInternalError(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/alerts", "/alerts/history", "/alerts/x"} {
		b.fails(request(t, http.MethodGet, Base+path), 500, CodeInternal, "the log tells more")
	}
	b.fails(b.acknowledge("x", ""), 500, CodeInternal, "the log tells more")
	b.fails(b.posting(Base+"/webhooks/alertmanager", webhookBody("")), 500, CodeInternal, "the log tells more")
	if log := b.log.String(); strings.Count(log, "database is closed") < 5 {
		t.Errorf("the log does not tell why:\n%s", log)
	}
}

func TestNotificationTest(t *testing.T) {
	type tested struct {
		Channel  string `json:"channel"`
		Accepted bool   `json:"accepted"`
		Answer   string `json:"answer"`
	}
	mail := tested{"mail", true, "250 accepted"}
	broken := tested{"broken", false, "550 no such user; refused"}
	b := put(t, &fakeMetrics{}, nil)
	for body, want := range map[string][]tested{
		"":                      {broken, mail},
		"{}":                    {broken, mail},
		`{"channel": ""}`:       {broken, mail},
		`{"channel": "mail"}`:   {mail},
		`{"channel": "broken"}`: {broken},
	} {
		var got struct {
			Data  []tested `json:"data"`
			Count int      `json:"count"`
		}
		if b.answers(b.posting(Base+"/notifications/test", body), http.StatusOK, &got); !slices.Equal(got.Data, want) || got.Count != len(want) {
			t.Errorf("%s answers %+v, want %+v", body, got, want)
		}
	}
	b.fails(b.posting(Base+"/notifications/test", `{"channel": "pager"}`), 404, CodeNotFound, `there is no channel "pager"; there are: broken, mail`)
	b.fails(b.posting(Base+"/notifications/test", `{"channel": 7}`), 400, CodeBadRequest, "the body must be a JSON object")
	b.fails(b.posting(Base+"/notifications/test", strings.Repeat(" ", maxSmallBody+1)), 413, CodeTooLarge, "65536")
}

func TestNotificationTestTellsOfAPause(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	b.manager.Reroute(alert.Routing{Notifiers: map[string]alert.Notifier{"busy": notifier{
		result: alert.Result{Text: "429 Too Many Requests", Retry: true, RetryAfter: time.Hour}, err: errors.New("429 Too Many Requests"),
	}}})
	ask := func() (heldUntil *time.Time) {
		t.Helper()
		var got struct {
			Data []struct {
				Answer    string     `json:"answer"`
				HeldUntil *time.Time `json:"held_until"`
			} `json:"data"`
		}
		b.answers(b.posting(Base+"/notifications/test", `{"channel": "busy"}`), http.StatusOK, &got)
		if len(got.Data) != 1 || got.Data[0].Answer != "429 Too Many Requests" {
			t.Fatalf("answered %+v", got)
		}

		return got.Data[0].HeldUntil
	}
	if held := ask(); held != nil {
		t.Errorf("before anything was tried it is held back until %s", held)
	}
	if held := ask(); held == nil {
		t.Error("it is not said that the channel is held back")
	}
}

func TestNotificationTestWithoutChannels(t *testing.T) {
	b := put(t, &fakeMetrics{}, func(o *Options) { o.Channels = func() []string { return nil } })
	if got := b.answers(b.posting(Base+"/notifications/test", ""), http.StatusOK, nil); got != `{"success":true,"data":[],"count":0}`+"\n" {
		t.Errorf("answered %s", got)
	}
	b.fails(b.posting(Base+"/notifications/test", `{"channel": "pager"}`), 404, CodeNotFound, `there is no channel "pager"; no channel is enabled`)
}

func TestErrorBodyIsJSONWhateverTheMessage(t *testing.T) {
	var e errorForm
	if err := json.Unmarshal((&Error{Code: "x", Message: "\x00\x7f\"\xff\U0001F600</script>"}).Body(), &e); err != nil || e.Error.Code != "x" {
		t.Errorf("%+v (%v)", e, err)
	}
}
