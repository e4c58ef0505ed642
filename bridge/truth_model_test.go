package bridge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"llmwatch/bridge/metrics"
)

const (
	modelHosts    = 5
	modelScrape   = 30 * time.Second
	modelEval     = time.Minute
	modelFor      = time.Minute
	modelLookback = 5 * time.Minute
)

// truth is what is really so at one moment: which hosts are hot, and which answer
// scrapes.
type truth struct {
	hot, up [modelHosts]bool
}

// modelSource is one or two Prometheus servers behind one address, and what can go
// wrong with them. It knows the truth, and tells what such servers would.
type modelSource struct {
	mu       sync.Mutex
	random   *rand.Rand
	truth    truth
	replicas []*replica
	// What is wrong with what is in front of them, until then.
	fault string
	until time.Time
	// healthySince is since when nothing is wrong.
	healthySince time.Time
	listed       map[int]time.Time // Since when a host is listed as firing by all.
}

// replica is one server: it scrapes, evaluates and forgets.
type replica struct {
	running  bool
	started  time.Time
	scraped  []scrape
	nextAt   time.Time
	evalAt   time.Time
	last     time.Time // The last evaluation.
	evals    int
	active   map[int]time.Time
	restores map[int]time.Time // As the series ALERTS_FOR_STATE has it.
	stalled  bool
	failing  bool
}

type scrape struct {
	at time.Time
	truth
}

func newModel(random *rand.Rand, replicas int) *modelSource {
	m := &modelSource{random: random, healthySince: time.Now(), listed: map[int]time.Time{}}
	for i := range m.truth.up {
		m.truth.up[i] = true
	}
	for range replicas {
		r := &replica{restores: map[int]time.Time{}}
		r.start(time.Now(), random)
		m.replicas = append(m.replicas, r)
	}

	return m
}

func (r *replica) start(now time.Time, random *rand.Rand) {
	r.running, r.started, r.last, r.evals = true, now, time.Time{}, 0
	r.nextAt = now.Add(time.Duration(random.Int64N(int64(modelScrape))))
	r.evalAt = now.Add(time.Duration(random.Int64N(int64(modelEval))))
	r.active = map[int]time.Time{}
}

// step lets time pass until now.
func (m *modelSource) step(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.replicas {
		r.step(now, m.truth)
	}
	if m.fault != "" && !now.Before(m.until) {
		m.fault = ""
	}
	healthy := m.fault == ""
	for _, r := range m.replicas {
		healthy = healthy && r.running && !r.stalled && !r.failing
	}
	if !healthy {
		m.healthySince = time.Time{}
	} else if m.healthySince.IsZero() {
		m.healthySince = now
	}
	for host := range modelHosts {
		all := true
		for _, r := range m.replicas {
			all = all && r.running && r.fires(host)
		}
		if _, known := m.listed[host]; !all {
			delete(m.listed, host)
		} else if !known {
			m.listed[host] = now
		}
	}
}

func (r *replica) step(now time.Time, t truth) {
	if !r.running {
		return
	}
	for ; !r.nextAt.After(now); r.nextAt = r.nextAt.Add(modelScrape) {
		r.scraped = append(r.scraped, scrape{r.nextAt, t})
		if len(r.scraped) > 30 {
			r.scraped = r.scraped[10:]
		}
	}
	for ; !r.evalAt.After(now); r.evalAt = r.evalAt.Add(modelEval) {
		if !r.stalled {
			r.evaluate(r.evalAt)
		}
	}
}

// at is what the series are at a moment: known says that a host has one.
func (r *replica) at(when time.Time) (at scrape, known bool) {
	for _, s := range slices.Backward(r.scraped) {
		if !s.at.After(when) {
			return s, when.Sub(s.at) < modelLookback
		}
	}

	return scrape{}, false
}

func (r *replica) evaluate(now time.Time) {
	r.last = now
	r.evals++
	if r.failing {
		return
	}
	s, known := r.at(now)
	for host := range modelHosts {
		if !known || !s.up[host] || !s.hot[host] {
			delete(r.active, host)

			continue
		}
		if _, active := r.active[host]; !active {
			r.active[host] = now
		}
		if since, ok := r.restores[host]; ok && r.evals == 2 && now.Sub(since) < time.Hour {
			r.active[host] = since
		}
		if r.evals >= 2 {
			r.restores[host] = r.active[host]
		}
	}
	if r.evals > 2 {
		for host := range r.restores {
			if _, active := r.active[host]; !active {
				delete(r.restores, host)
			}
		}
	}
}

func (r *replica) fires(host int) bool {
	since, active := r.active[host]

	return active && r.last.Sub(since) >= modelFor
}

// pick chooses the replica that answers, as a balancer does.
func (m *modelSource) pick() (*replica, error) {
	running := []*replica{}
	for _, r := range m.replicas {
		if r.running {
			running = append(running, r)
		}
	}
	if len(running) == 0 {
		return nil, fmt.Errorf("%w: connection refused", metrics.ErrUnavailable)
	}

	return running[m.random.IntN(len(running))], nil
}

var errModel = fmt.Errorf("%w: 502", metrics.ErrUnavailable)

// faults are what can be wrong in front of the servers.
var faults = []string{"error", "slow", "partial", "empty", "others", "no config", "no queries", "partial queries"}

func (m *modelSource) Alerts(ctx context.Context) (metrics.AlertState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.fault {
	case "error":
		return metrics.AlertState{}, errModel
	case "slow":
		m.mu.Unlock()
		defer m.mu.Lock()
		select {
		case <-ctx.Done():
		case <-time.After(30 * time.Second):
		}

		return metrics.AlertState{}, errModel
	case "partial":
		return metrics.AlertState{Warnings: []string{"a store is away"}}, nil
	case "empty":
		return metrics.AlertState{}, nil
	case "others":
		other := modelRule("us")
		other.LastEvaluation, other.Health = time.Now(), "ok"

		return metrics.AlertState{Rules: []metrics.EvaluatedRule{other}}, nil
	}
	r, err := m.pick()
	if err != nil {
		return metrics.AlertState{}, err
	}

	return r.state(), nil
}

func modelRule(cluster string) metrics.EvaluatedRule {
	return metrics.EvaluatedRule{
		File: "f", Group: "g", Name: "hot", Query: "hot > 1", Interval: modelEval,
		Labels: map[string]string{"severity": "critical", "cluster": cluster},
	}
}

func (r *replica) state() metrics.AlertState {
	rule := modelRule("eu")
	rule.LastEvaluation, rule.Health = r.last, "ok"
	switch {
	case r.last.IsZero():
		rule.Health = "unknown"
	case r.failing:
		rule.Health = "err"
	}
	state := metrics.AlertState{Rules: []metrics.EvaluatedRule{rule}}
	for host := range modelHosts {
		since, active := r.active[host]
		if !active {
			continue
		}
		a := metrics.FiringAlert{
			Name: "hot", Labels: map[string]string{"alertname": "hot", "severity": "critical", "cluster": "eu", "job": "node", "instance": strconv.Itoa(host)},
			Query: rule.Query, Rule: &rule, Since: since, Fired: since.Add(modelFor), Value: 2,
		}
		if r.fires(host) {
			state.Firing = append(state.Firing, a)
		} else {
			state.Pending = append(state.Pending, a)
		}
	}

	return state
}

func (m *modelSource) ExternalLabels(context.Context) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault == "no config" {
		return nil, errModel
	}

	return map[string]string{"region": "eu-1"}, nil
}

func (m *modelSource) Started(context.Context) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.pick()
	if err != nil || m.random.IntN(4) == 0 {
		return time.Time{}, errors.Join(metrics.ErrNotTold, err)
	}

	return r.started, nil
}

func (m *modelSource) Yields(_ context.Context, expr string, at time.Time) ([]map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.pick()
	if err != nil || m.fault == "no queries" || m.fault == "partial queries" {
		return nil, errModel
	}
	if expr != factsExpr(Inputs{Condition: "hot > 1", Expr: "hot > bool 1"}) {
		return nil, fmt.Errorf("an expression that nobody expects: %s", expr)
	}
	s, known := r.at(at)
	var series []map[string]string
	add := func(host int, fact string, is bool) {
		if is {
			series = append(series, map[string]string{"job": "node", "instance": strconv.Itoa(host), factLabel: fact})
		}
	}
	for host := range modelHosts {
		add(host, "holds", known && s.up[host] && s.hot[host])
		add(host, "data", known && s.up[host])
		var answered, failed bool
		for _, s := range r.scraped {
			if !s.at.After(at) && at.Sub(s.at) < modelLookback {
				answered, failed = answered || s.up[host], failed || !s.up[host]
			}
		}
		add(host, "answered", answered && !failed)
		add(host, "partly", answered)
		add(host, "failed", failed)
	}

	return series, nil
}

func modelInputs(expr string) (Inputs, error) {
	if expr != "hot > 1" {
		return Inputs{}, errors.New("another dialect")
	}

	return Inputs{Condition: expr, Expr: "hot > bool 1", Metrics: []string{"hot"}}, nil
}

// change lets something happen to the truth or to the servers.
func (m *modelSource) change(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	host := m.random.IntN(modelHosts)
	r := m.replicas[m.random.IntN(len(m.replicas))]
	switch m.random.IntN(14) {
	case 0, 1, 2:
		m.truth.hot[host] = !m.truth.hot[host]
	case 3:
		m.truth.up[host] = false
	case 4, 5:
		m.truth.up[host] = true
	case 6, 7, 8:
		m.fault = faults[m.random.IntN(len(faults))]
		m.until = now.Add(time.Duration(m.random.Int64N(int64(10 * time.Minute))))
	case 9:
		r.running = false
	case 10, 11:
		for _, r := range m.replicas {
			if !r.running {
				r.start(now, m.random)
			}
		}
	case 12:
		r.stalled, r.failing = m.random.IntN(2) == 0, m.random.IntN(2) == 0
	default:
		for _, r := range m.replicas {
			r.stalled, r.failing = false, false
		}
	}
}
