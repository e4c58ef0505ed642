package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"llmwatch/test/fixture"
)

const (
	health   = "/api/v1/monitoring/health"
	overview = "/api/v1/monitoring/dashboard/overview"
)

// bench gathers the rows of the table.
type bench struct {
	binary  string
	dir     string
	rows    []row
	running []*process
}

func (b *bench) add(r row) { b.rows = append(b.rows, r) }

// start runs a program until the bench ends.
func (b *bench) start(name string, args ...string) (*process, error) {
	p, err := start(name, args...)
	if err == nil {
		b.running = append(b.running, p)
	}

	return p, err
}

func (b *bench) stop() {
	for _, p := range b.running {
		p.stop()
	}
	b.running = nil
}

func (b *bench) serve(dir string, args ...string) (*process, error) {
	return b.start(b.binary, append([]string{
		"serve", "--listen", "ADDRESS", "--data-dir", filepath.Join(b.dir, dir), "--log-level", "ERROR",
	}, args...)...)
}

// prometheus runs the peer with a configuration that scrapes target.
func (b *bench) prometheus(dir, target string) (*process, error) {
	dir = filepath.Join(b.dir, dir)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	rules, err := filepath.Abs("rules/*.yml")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 30s, evaluation_interval: 30s}\nrule_files: [%q]\n"+
		"scrape_configs: [{job_name: node, static_configs: [{targets: [%q]}]}]\n", rules, target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}

	return b.start("prometheus", "--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", "ADDRESS", "--log.level", "error")
}

// startup measures the time from the start to the first answer of health.
func (b *bench) startup(ctx context.Context) error {
	defer b.stop()
	p, err := b.serve("startup")
	if err != nil {
		return err
	}
	ours, err := p.ready(ctx, health)
	if err != nil {
		return err
	}
	r := row{what: "start to first answer of health", ours: milliseconds(ours), unit: "ms", limit: 1000, peer: "prometheus"}
	if installed("prometheus") {
		peer, err := b.prometheus("startup-peer", p.address)
		if err != nil {
			return err
		}
		took, err := peer.ready(ctx, "/-/ready")
		if err != nil {
			return err
		}
		r.peerHas = milliseconds(took)
	}
	b.add(r)

	return nil
}

// scrape measures one scrape over a kept connection.
func (b *bench) scrape(ctx context.Context) error {
	defer b.stop()
	p, err := b.start(b.binary, "exporter", "--listen", "ADDRESS", "--log-level", "ERROR")
	if err != nil {
		return err
	}
	r := row{what: "one scrape of /metrics", unit: "ms", limit: 2, peer: "node_exporter"}
	if r.ours, err = scrapeTime(ctx, p); err != nil {
		return err
	}
	if installed("prometheus-node-exporter") {
		peer, err := b.start("prometheus-node-exporter", "--web.listen-address", "ADDRESS", "--log.level", "error")
		if err != nil {
			return err
		}
		if r.peerHas, err = scrapeTime(ctx, peer); err != nil {
			return err
		}
	}
	b.add(r)

	return nil
}

func scrapeTime(ctx context.Context, p *process) (float64, error) {
	if _, err := p.ready(ctx, "/metrics"); err != nil {
		return 0, err
	}
	took, err := p.median(ctx, "/metrics", 300)

	return milliseconds(took), err
}

// overview measures it over a week of history, without and with the cache.
func (b *bench) overview(ctx context.Context) error {
	defer b.stop()
	end := time.Now().Truncate(fixture.Interval)
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	if err := fixture.Write(ctx, filepath.Join(b.dir, "week", "metrics"), host, end.Add(-7*24*time.Hour), end); err != nil {
		return err
	}
	p, err := b.serve("week", "--retention-days", "8")
	if err != nil {
		return err
	}
	if _, err := p.ready(ctx, health); err != nil {
		return err
	}
	first, err := p.ready(ctx, overview)
	if err != nil {
		return err
	}
	_ = first // The start's own time is a row of its own.
	cold, err := coldTimes(ctx, p)
	if err != nil {
		return err
	}
	b.add(row{what: "overview over 7 days, cold", ours: milliseconds(cold), unit: "ms", limit: 5, peer: "-"})
	cached, err := p.median(ctx, overview, 500)
	if err != nil {
		return err
	}
	b.add(row{what: "overview over 7 days, cached", ours: milliseconds(cached), unit: "ms", limit: 0.2, peer: "-"})

	return nil
}

// coldTimes asks the same question under keys that the cache does not have.
func coldTimes(ctx context.Context, p *process) (time.Duration, error) {
	took := make([]time.Duration, 50)
	for i := range took {
		var err error
		if took[i], err = p.get(ctx, fmt.Sprintf("%s?uncached=%d", overview, i)); err != nil {
			return 0, err
		}
	}
	slices.Sort(took)

	return took[len(took)/2], nil
}

// memory compares everything of serve with the peers that do the same, each
// left alone for a while.
func (b *bench) memory(ctx context.Context, rest time.Duration) error {
	defer b.stop()
	p, err := b.serve("rest")
	if err != nil {
		return err
	}
	if _, err := p.ready(ctx, health); err != nil {
		return err
	}
	r := row{what: fmt.Sprintf("resident memory %s after the start", rest), unit: "MB", limit: 50, peer: "prometheus + node_exporter"}
	var peers []*process
	if installed("prometheus") && installed("prometheus-node-exporter") {
		node, err := b.start("prometheus-node-exporter", "--web.listen-address", "ADDRESS", "--log.level", "error")
		if err != nil {
			return err
		}
		server, err := b.prometheus("rest-peer", node.address)
		if err != nil {
			return err
		}
		peers = []*process{node, server}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(rest):
	}
	if r.ours, err = p.residentMB(); err != nil {
		return err
	}
	for _, peer := range peers {
		mb, err := peer.residentMB()
		if err != nil {
			return err
		}
		r.peerHas += mb
	}
	b.add(r)

	return nil
}
