package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/alert/sqlite"
)

// witness is a receiver that compares what it is told with the truth.
type witness struct {
	mu sync.Mutex
	t  *testing.T
	// coldAt is when a host was last not hot; pushedAt the same of what is pushed.
	coldAt  map[string]time.Time
	told    map[string]bool // Of hosts and of what is pushed: that it fires.
	lastID  string
	history []string
}

// late is how much later than the truth a message may be: an evaluation and a poll,
// and a rule that counts as evaluated for three minutes.
const late = 5 * time.Minute

func (w *witness) Notify(_ context.Context, n alert.Notification, _ alert.Extra) (alert.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range n.Alerts {
		a := &n.Alerts[i]
		who := a.Name + "/" + a.Labels["instance"]
		w.lastID = a.ID
		w.note(fmt.Sprintf("%s told: %s %s", n.Kind, a.ID, who))
		switch {
		case n.TellsFiring():
			w.told[who] = true
		case n.Kind == alert.KindResolved:
			w.told[who] = false
			if cold, known := w.coldAt[who]; known && time.Since(cold) > late {
				w.fail("%s is told to have resolved, and was true for %s", who, time.Since(cold))
			}
		}
	}

	return alert.Result{}, nil
}

func (w *witness) note(line string) {
	w.history = append(w.history, time.Now().Format("15:04:05 ")+line)
	if len(w.history) > 60 {
		w.history = w.history[30:]
	}
}

func (w *witness) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Errorf("at %s: %s\n%s", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...), strings.Join(w.history, "\n"))
}

// life is one process of llmwatch on a database that outlives it.
type life struct {
	manager *alert.Manager
	stop    func()
	since   time.Time
}

func begin(t *testing.T, path string, model AlertSource, origin alert.Origin, w *witness) *life {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	manager := alert.NewManager(alert.Config{
		Store: store, Logger: quiet,
		Routing: alert.Routing{
			Policy:    alert.Policy{Channels: []string{"mail"}, SendResolved: true},
			Notifiers: map[string]alert.Notifier{"mail": w},
		},
	})
	poller := NewPoller(Poller{
		Source: model, Observer: manager, Store: store, Origin: origin, Every: time.Minute, Inputs: modelInputs, MissingAfter: 48 * time.Hour, Logger: quiet,
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { manager.Run(ctx) })
	running.Go(func() { poller.Run(ctx) })

	return &life{manager, func() {
		cancel()
		running.Wait()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}, time.Now()}
}

// TestNothingFalseIsToldOfAWorldThatFails lets a model of Prometheus fail in all the
// ways that are known, and llmwatch restart, and compares what people are told with
// the truth: no alert is told to have resolved while it is true, and none that is
// critical stays untold for more than two minutes after it could be told.
func TestNothingFalseIsToldOfAWorldThatFails(t *testing.T) {
	t.Parallel()
	seeds, hours := 6, 2
	if os.Getenv("LLMWATCH_SOAK") != "" {
		seeds, hours = 200, 24
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "llmwatch.db")
			synctest.Test(t, func(t *testing.T) { live(t, path, uint64(seed), time.Duration(hours)*time.Hour) })
		})
	}
}

func live(t *testing.T, path string, seed uint64, lasts time.Duration) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 14))
	model := newModel(rand.New(rand.NewPCG(seed, 15)), 1+int(seed%2))
	program := &pusher{random: random}
	w := &witness{t: t, coldAt: map[string]time.Time{}, told: map[string]bool{}}
	origin := alert.Origin{Kind: alert.FromRule, Source: "http://prometheus:9090"}
	l := begin(t, path, model, origin, w)
	var down time.Time // Until when llmwatch does not run.
	for end := time.Now().Add(lasts); time.Now().Before(end) && !t.Failed(); {
		time.Sleep(5 * time.Second)
		synctest.Wait()
		now := time.Now()
		model.step(now)
		w.look(now, model, l)
		program.step(t, now, l, w)
		if random.IntN(24) == 0 { // Every two minutes.
			model.change(now)
		}
		switch {
		case l == nil && !now.Before(down):
			l = begin(t, path, model, origin, w)
		case l != nil && random.IntN(720) == 0: // Every hour.
			l.stop()
			l, down = nil, now.Add(time.Duration(random.Int64N(int64(20*time.Minute))))
		case l != nil && random.IntN(360) == 0:
			acknowledgeSome(t, l, w)
		}
	}
	if l != nil {
		l.stop()
	}
}

// look compares what people know with what is listed.
func (w *witness) look(now time.Time, m *modelSource, l *life) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	for host := range modelHosts {
		who := fmt.Sprint("hot/", host)
		if !m.truth.hot[host] {
			w.coldAt[who] = now
		}
		listed, is := m.listed[host]
		if l == nil || !is || m.healthySince.IsZero() || w.told[who] {
			continue
		}
		could := listed
		for _, since := range []time.Time{m.healthySince, l.since} {
			if since.After(could) {
				could = since
			}
		}
		if now.Sub(could) > 2*time.Minute+10*time.Second {
			w.fail("%s is critical, and nobody was told for %s", who, now.Sub(could))
		}
	}
}

func acknowledgeSome(t *testing.T, l *life, w *witness) {
	t.Helper()
	w.mu.Lock()
	id := w.lastID
	w.mu.Unlock()
	if id == "" {
		return
	}
	_, err := l.manager.Acknowledge(t.Context(), id, "ann", "", 0)
	if err != nil && !errors.Is(err, alert.ErrResolved) && !errors.Is(err, alert.ErrNotFound) {
		t.Error(err)
	}
}

// pusher is a program that pushes an alert while it is true.
type pusher struct {
	hot    bool
	random *rand.Rand
	next   time.Time
	ended  int // How often it still says that it has ended.
}

func (p *pusher) step(t *testing.T, now time.Time, l *life, w *witness) {
	t.Helper()
	if p.random.IntN(360) == 0 {
		p.hot = !p.hot
		p.ended = 15
	}
	if !p.hot {
		w.mu.Lock()
		w.coldAt["pushed/program"] = now
		w.mu.Unlock()
	}
	if l == nil || now.Before(p.next) || !p.hot && p.ended == 0 {
		return
	}
	p.next = now.Add(time.Minute)
	seen := alert.Seen{Labels: map[string]string{"alertname": "pushed", "instance": "program", "severity": "critical"}, StartsAt: now, EndsAt: now.Add(4 * time.Minute)}
	if !p.hot {
		seen.EndsAt = now
		p.ended--
	}
	push := alert.Snapshot{Origin: alert.Origin{Kind: alert.FromPush, Source: alert.SourceV2}, Alerts: []alert.Seen{seen}}
	if err := l.manager.Observe(t.Context(), push); err != nil {
		t.Error(err)
	}
}
