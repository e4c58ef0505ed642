package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"llmwatch/bridge/alert"
	"llmwatch/internal/database"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		crash(path)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var noon = time.Date(2024, 1, 15, 12, 0, 0, 0, time.UTC)

func open(t testing.TB) *Store {
	t.Helper()

	return openAt(t, filepath.Join(t.TempDir(), "llmwatch.db"))
}

func openAt(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})

	return s
}

// fired is a new alert.
func fired(name string, number int, at time.Time) alert.Alert {
	id := alert.IDBase(name, at)
	if number > 1 {
		id = fmt.Sprintf("%s_%d", id, number)
	}

	return alert.Alert{
		ID: id, Name: name, Fingerprint: id, Labels: map[string]string{"alertname": name, "id": id}, Severity: alert.High, Status: alert.Triggered,
		StartsAt: at, FiredAt: at, UpdatedAt: at, Cooldown: time.Hour,
	}
}

func commit(t testing.TB, s *Store, c alert.Changes) {
	t.Helper()
	if err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func begin(t testing.TB, s *Store, alerts ...alert.Alert) {
	t.Helper()
	var c alert.Changes
	for _, a := range alerts {
		c.Transitions = append(c.Transitions, alert.Transition{Alert: a, Events: []alert.Event{{AlertID: a.ID, At: a.FiredAt, Kind: alert.EventFired}}})
	}
	commit(t, s, c)
}

func get(t testing.TB, s *Store, id string) alert.Alert {
	t.Helper()
	found, err := s.Alerts(t.Context(), []string{id})
	if err != nil || len(found) != 1 {
		t.Fatalf("alert %s: %d found, error %v", id, len(found), err)
	}

	return found[0]
}

func ids(alerts []alert.Alert) string {
	var all []string
	for _, a := range alerts {
		all = append(all, a.ID)
	}

	return strings.Join(all, " ")
}

// whole is an alert with everything in it.
func whole() alert.Alert {
	a := fired("high_cpu_usage", 2, noon)
	value := 91.5
	a.Description, a.GeneratorURL, a.Value = "CPU usage is 91.5 %", "http://localhost/graph", &value
	a.Labels = map[string]string{"alertname": a.Name, "severity": "high"}
	a.Annotations = map[string]string{"summary": "CPU <high> & \"hot\""}
	a.Summary = json.RawMessage(`{"system":{"avg_cpu_percent":91.5}}`)
	a.Origin = alert.Origin{Kind: alert.FromPush, Source: alert.SourceV2, Principal: "prometheus"}
	a.EndsAt, a.Held, a.Quiet, a.Flaps = noon.Add(time.Minute), true, true, 2
	a.Senders, a.HeardAt = alert.Senders{{Name: "prometheus:9090 at 10.0.0.1", Until: a.EndsAt}}, noon
	a.NotifiedAt, a.DeliveredAt, a.WaitingSince, a.EscalatedAt = noon, noon.Add(time.Second), noon, noon.Add(time.Hour)
	a.HeldSince, a.EndToldAt, a.EndedAck = noon, noon.Add(time.Minute), &alert.Ack{By: "bob", At: noon}
	a.Channels = []string{"email", "slack"}
	a.Status = alert.Acknowledged
	a.Ack = &alert.Ack{By: "ann", Comment: "mine", At: noon, ExpiresAt: noon.Add(time.Hour)}

	return a
}

func TestAlertsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	s := open(t)
	want := whole()
	commit(t, s, alert.Changes{
		Transitions: []alert.Transition{{Alert: want, Events: []alert.Event{
			{AlertID: want.ID, At: noon, Kind: alert.EventFired},
			{AlertID: want.ID, At: noon.Add(-time.Minute), Kind: alert.EventPending},
			{AlertID: want.ID, At: noon, Kind: alert.EventAcknowledged, By: "ann", Text: "mine", Channel: "email"},
		}}},
		Events: []alert.Event{{AlertID: "another", At: noon, Kind: alert.EventFired}},
	})
	want.Version = 1
	got := get(t, s, want.ID)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alert (-want +got):\n%s", diff)
	}
	events, err := s.Timeline(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantEvents := []alert.Event{
		{AlertID: want.ID, At: noon.Add(-time.Minute), Kind: alert.EventPending},
		{AlertID: want.ID, At: noon, Kind: alert.EventFired},
		{AlertID: want.ID, At: noon, Kind: alert.EventAcknowledged, By: "ann", Text: "mine", Channel: "email"},
	}
	if diff := cmp.Diff(wantEvents, events); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}

// TestStoredFormIsStable fails where a changed name of a field would lose what
// databases hold. A new field is no harm: run with -update then.
func TestStoredFormIsStable(t *testing.T) {
	t.Parallel()
	n := alert.Notification{
		Key: "k", Channel: "email", Kind: alert.KindDigest, Alerts: []alert.Alert{whole()}, Total: 1,
		AlertIDs: []string{whole().ID}, By: "ann", Comment: "mine", OwedAt: noon,
	}
	got, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	golden := filepath.Join("testdata", "notification.json")
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("stored form (-want +got):\n%s", diff)
	}
}

func TestLoadReturnsWhatMayStillChange(t *testing.T) {
	t.Parallel()
	s := open(t)
	open, recent, old := fired("open", 1, noon), fired("recent", 1, noon), fired("old", 1, noon)
	recent.Status, recent.ResolvedAt = alert.Resolved, noon
	old.Status, old.ResolvedAt, old.Cooldown = alert.Resolved, noon, time.Minute
	begin(t, s, open, recent, old)
	got, err := s.Load(t.Context(), noon.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if want := "open_20240115 recent_20240115"; ids(got) != want {
		t.Errorf("loaded %s, want %s", ids(got), want)
	}
}

func TestLoadSeesWhatOtherProcessesChange(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "llmwatch.db")
	s, other := openAt(t, path), openAt(t, path)
	begin(t, s, fired("one", 1, noon), fired("two", 1, noon))
	load := func() []alert.Alert {
		t.Helper()
		alerts, err := s.Load(t.Context(), noon.Add(2*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(alerts, func(a, b alert.Alert) int { return strings.Compare(a.ID, b.ID) })

		return alerts
	}
	load()
	changed := get(t, other, "two_20240115")
	changed.Status, changed.Description = alert.Active, "it goes on"
	commit(t, other, alert.Changes{Transitions: []alert.Transition{{Alert: changed}}})
	begin(t, other, fired("three", 1, noon))
	var want []alert.Alert
	for _, id := range []string{"one_20240115", "three_20240115", "two_20240115"} {
		want = append(want, get(t, other, id))
	}
	for range 2 { // What is remembered is the same.
		if diff := cmp.Diff(want, load()); diff != "" {
			t.Errorf("loaded (-want +got):\n%s", diff)
		}
	}
	gone := get(t, other, "one_20240115")
	gone.Status, gone.ResolvedAt, gone.Cooldown = alert.Resolved, noon, time.Minute
	commit(t, other, alert.Changes{Transitions: []alert.Transition{{Alert: gone}}})
	if got := load(); ids(got) != "three_20240115 two_20240115" {
		t.Errorf("loaded %s after one has ended", ids(got))
	}
}

func TestCommitConflicts(t *testing.T) {
	t.Parallel()
	existing := fired("a", 1, noon)
	stale, lost := existing, existing
	lost.Version = 7
	sameLabels := fired("a", 2, noon)
	sameLabels.Labels = existing.Labels
	resolved := fired("b", 1, noon)
	resolved.Labels, resolved.Status, resolved.ResolvedAt = existing.Labels, alert.Resolved, noon
	reopened := resolved
	reopened.Version, reopened.Status, reopened.ResolvedAt = 1, alert.Active, time.Time{}
	cases := map[string]struct {
		change alert.Changes
		want   error
		names  string
	}{
		"an id that exists":          {alert.Changes{Transitions: []alert.Transition{{Alert: stale}}}, alert.ErrConflict, "alert a_20240115"},
		"a version that has passed":  {alert.Changes{Transitions: []alert.Transition{{Alert: lost}}}, alert.ErrConflict, "alert a_20240115"},
		"a second open alert":        {alert.Changes{Transitions: []alert.Transition{{Alert: sameLabels}}}, alert.ErrConflict, "alert a_20240115_2"},
		"a second one reopened":      {alert.Changes{Transitions: []alert.Transition{{Alert: reopened}}}, alert.ErrConflict, "alert b_20240115"},
		"an outcome of nothing owed": {alert.Changes{Outcomes: []alert.Outcome{{Key: "k", State: alert.Delivered}}}, alert.ErrSettled, "notification k"},
		"an outcome too late":        {alert.Changes{Outcomes: []alert.Outcome{{Key: "done", State: alert.Delivered}}}, alert.ErrSettled, "notification done"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			begin(t, s, existing, resolved)
			owe(t, s, "done", "email", existing.ID, noon)
			commit(t, s, alert.Changes{Outcomes: []alert.Outcome{{Key: "done", State: alert.Expired}}})
			fresh := fired("fresh", 1, noon)
			c.change.Transitions = append([]alert.Transition{{Alert: fresh}}, c.change.Transitions...)
			err := s.Commit(t.Context(), c.change)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.names) {
				t.Errorf("error %v, want %v, and the name of %s", err, c.want, c.names)
			}
			if found, err := s.Alerts(t.Context(), []string{fresh.ID}); err != nil || len(found) > 0 {
				t.Errorf("a part of the commit was kept: %v, error %v", found, err)
			}
		})
	}
}

func TestLastNumber(t *testing.T) {
	t.Parallel()
	s := open(t)
	begin(t, s, fired("a", 1, noon), fired("a", 9, noon), fired("a", 10, noon), fired("a_20240115", 1, noon), fired("a b", 3, noon))
	for base, want := range map[string]int{
		"a_20240115": 10, "a_20240115_20240115": 1, "a_b_20240115": 3, "a_20240116": 0,
	} {
		if got, err := s.LastNumber(t.Context(), base); err != nil || got != want {
			t.Errorf("last number of %s: %d, error %v; want %d", base, got, err, want)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	s := open(t)
	a, b, c := fired("a", 1, noon), fired("b", 1, noon.Add(time.Minute)), fired("c", 1, noon.Add(2*time.Minute))
	a.Status, a.ResolvedAt = alert.Resolved, noon.Add(time.Hour)
	b.Severity = alert.Critical
	begin(t, s, a, b, c)
	cases := map[string]struct {
		filter alert.Filter
		want   string
	}{
		"everything, newest first":       {alert.Filter{}, "c_20240115 b_20240115 a_20240115"},
		"by status":                      {alert.Filter{Statuses: []alert.Status{alert.Triggered, alert.Active}}, "c_20240115 b_20240115"},
		"by severity":                    {alert.Filter{Severities: []alert.Severity{alert.Critical, alert.Low}}, "b_20240115"},
		"by name":                        {alert.Filter{Names: []string{"a"}}, "a_20240115"},
		"by names":                       {alert.Filter{Names: []string{"c", "a"}}, "c_20240115 a_20240115"},
		"since, its moment included":     {alert.Filter{Since: noon.Add(time.Minute)}, "c_20240115 b_20240115"},
		"until, its moment not included": {alert.Filter{Until: noon.Add(time.Minute)}, "a_20240115"},
		"nothing":                        {alert.Filter{Names: []string{"z"}}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := s.List(t.Context(), c.filter)
			if err != nil || ids(page.Alerts) != c.want || page.Next != "" {
				t.Errorf("got %q, next %q, error %v; want %q and no next page", ids(page.Alerts), page.Next, err, c.want)
			}
		})
	}
}

func TestPagesStayStableWhileAlertsFire(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range 7 {
		begin(t, s, fired("a", i+1, noon)) // All at the same moment.
	}
	var got []string
	f := alert.Filter{Limit: 3}
	for page := 1; ; page++ {
		p, err := s.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ids(p.Alerts))
		begin(t, s, fired("later", page, noon.Add(time.Second)))
		if f.Cursor = p.Next; f.Cursor == "" {
			break
		}
	}
	want := []string{"a_20240115_7 a_20240115_6 a_20240115_5", "a_20240115_4 a_20240115_3 a_20240115_2", "a_20240115"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	if _, err := s.List(t.Context(), alert.Filter{Cursor: "yesterday"}); !errors.Is(err, alert.ErrBadCursor) {
		t.Errorf("error %v, want a bad cursor", err)
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add("1705320000000.7")
	f.Add(".")
	f.Fuzz(func(t *testing.T, cursor string) {
		at, seq, err := parseCursor(cursor)
		if err != nil {
			return
		}
		again, seqAgain, err := parseCursor(fmt.Sprintf("%d.%d", at, seq))
		if err != nil || again != at || seqAgain != seq {
			t.Errorf("cursor %q is read as %d.%d, and that as %d.%d, error %v", cursor, at, seq, again, seqAgain, err)
		}
	})
}

func TestCount(t *testing.T) {
	t.Parallel()
	s := open(t)
	resolved := fired("c", 1, noon)
	resolved.Status, resolved.ResolvedAt = alert.Resolved, noon
	begin(t, s, fired("a", 1, noon), fired("b", 1, noon), resolved)
	got, err := s.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]alert.Count{{Status: alert.Triggered, Severity: alert.High, Alerts: 2}}, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestPruneKeepsWhatIsYoungOpenOrPending(t *testing.T) {
	t.Parallel()
	s := open(t)
	old, young, open := fired("old", 1, noon), fired("young", 1, noon), fired("open", 1, noon)
	old.Status, old.ResolvedAt = alert.Resolved, noon
	young.Status, young.ResolvedAt = alert.Resolved, noon.Add(time.Hour)
	begin(t, s, old, young, open)
	owe(t, s, "sent", "email", "old", noon)
	owe(t, s, "pending", "slack", "old", noon)
	commit(t, s, alert.Changes{Outcomes: []alert.Outcome{{Key: "sent", State: alert.Delivered, At: noon}}})
	n, err := s.Prune(t.Context(), noon.Add(time.Hour))
	if err != nil || n != 1 {
		t.Errorf("pruned %d, error %v; want 1", n, err)
	}
	page, err := s.List(t.Context(), alert.Filter{})
	if err != nil || ids(page.Alerts) != "open_20240115 young_20240115" {
		t.Errorf("kept %q, error %v", ids(page.Alerts), err)
	}
	if events, err := s.Timeline(t.Context(), old.ID); err != nil || len(events) > 0 {
		t.Errorf("the timeline of a pruned alert: %v, error %v", events, err)
	}
	if backlog, err := s.Backlog(t.Context()); err != nil || backlog["slack"] != 1 || len(backlog) != 1 {
		t.Errorf("backlog %v, error %v; want the pending one", backlog, err)
	}
	if sent, err := s.Sent(t.Context(), time.Time{}); err != nil || len(sent) != 1 {
		t.Errorf("%d notifications are left, error %v; want the pending one", len(sent), err)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	t.Run("a path with signs of its own", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "50% of #1?x=1&y")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "llmwatch.db")
		openAt(t, path)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("its permissions are %o, want 600", got)
		}
	})
	t.Run("again, with everything there", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "llmwatch.db")
		begin(t, openAt(t, path), whole())
		get(t, openAt(t, path), whole().ID)
	})
	t.Run("by many at once", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "llmwatch.db")
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { openAt(t, path) })
		}
		all.Wait()
	})
	t.Run("a directory that does not exist", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "nowhere", "llmwatch.db")
		if _, err := Open(ctx, path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want one that names %s", err, path)
		}
	})
	t.Run("a database of a newer llmwatch is refused and left alone", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "llmwatch.db")
		s := openAt(t, path)
		execute(t, s.db.Write, `UPDATE schema_versions SET version = 99`)
		_, err := Open(ctx, path)
		if err == nil || !strings.Contains(err.Error(), "version 99") || !strings.Contains(err.Error(), "run the newer llmwatch") {
			t.Errorf("error %v, want one that says which version and what to do", err)
		}
	})
	t.Run("a migration that fails leaves nothing behind", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "llmwatch.db")
		db := openRaw(t, path)
		execute(t, db, `CREATE TABLE rules (x)`) // The last table of the first migration.
		if _, err := Open(ctx, path); err == nil || !strings.Contains(err.Error(), "0001_init.sql") {
			t.Errorf("error %v, want one that names the migration", err)
		}
		execute(t, db, `DROP TABLE rules`)
		openAt(t, path)
	})
	t.Run("a file with the tables of others", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "llmwatch.db")
		db := openRaw(t, path)
		execute(t, db, `CREATE TABLE schema_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT`)
		execute(t, db, `INSERT INTO schema_versions VALUES ('auth', 42)`)
		begin(t, openAt(t, path), whole())
	})
	t.Run("durably", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000"} {
			var got string
			if err := s.db.Write.QueryRowContext(ctx, `PRAGMA `+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %s, error %v; want %s", pragma, got, err, want)
			}
		}
		if _, err := s.db.Read.ExecContext(ctx, `DELETE FROM alerts`); err == nil {
			t.Error("a reader may write")
		}
	})
}

// openRaw opens a database without looking at its schema.
func openRaw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := database.Connect(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})

	return db
}

func execute(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func TestLoadReadsAFloodInPiecesAndHoldsASummaryOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	flood := make([]alert.Alert, 2*readAtOnce+1)
	summaries := map[string]string{}
	for i := range flood {
		flood[i] = fired(fmt.Sprintf("flood%d", i), 1, noon)
		flood[i].Summary = json.RawMessage(`{"minute":1}`)
		if i == readAtOnce {
			flood[i].Summary = json.RawMessage(`{"minute":0}`)
		}
		summaries[flood[i].ID] = string(flood[i].Summary)
	}
	begin(t, s, flood...)
	loaded, err := s.Load(t.Context(), noon)
	if err != nil || len(loaded) != len(flood) {
		t.Fatalf("%d of %d alerts are loaded (%v)", len(loaded), len(flood), err)
	}
	held := map[*byte]bool{}
	for _, a := range loaded {
		held[&a.Summary[0]] = true
		if want := summaries[a.ID]; string(a.Summary) != want {
			t.Errorf("%s is loaded with %s, want %s", a.ID, a.Summary, want)
		}
		delete(summaries, a.ID) // It is loaded once.
	}
	if len(held) != 2 {
		t.Errorf("2 summaries are held %d times", len(held))
	}
}

// TestAlertsFromBeforeOriginsGetOne holds that what an earlier version stored is
// known again as what it is.
func TestAlertsFromBeforeOriginsGetOne(t *testing.T) {
	t.Parallel()
	s := open(t)
	begin(t, s, fired("polled", 1, noon), fired("pushed", 1, noon))
	err := s.db.Update(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE alerts SET identity = 'fingerprint/' || fingerprint,
			body = json_set(json_remove(body, '$.Origin'), '$.Polled', json(CASE name WHEN 'polled' THEN 'true' ELSE 'false' END))`)

		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]alert.OriginKind{"polled": alert.FromRule, "pushed": alert.FromPush} {
		a := get(t, s, name+"_20240115")
		if a.Origin.Kind != want {
			t.Errorf("%s comes from %q, want %q", a.ID, a.Origin.Kind, want)
		}
		commit(t, s, alert.Changes{Transitions: []alert.Transition{{Alert: a}}})
		again := fired(name, 2, noon)
		again.Labels, again.Origin.Kind = a.Labels, want
		if err := s.Commit(t.Context(), alert.Changes{Transitions: []alert.Transition{{Alert: again}}}); !errors.Is(err, alert.ErrConflict) {
			t.Errorf("a second open alert of %s is stored: %v", name, err)
		}
	}
}
