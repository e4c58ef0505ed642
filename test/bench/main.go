// Command bench measures a built llmwatch beside its peers on the same machine
// in the same run and prints a table. Ratios come first: machines are noisy,
// and what a peer costs here says more than any absolute figure.
//
// It knows the programs only from outside, as processes and over HTTP.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"text/tabwriter"
	"time"
)

// row is one line of the table.
type row struct {
	what    string
	ours    float64
	unit    string
	limit   float64 // What it must not exceed.
	peer    string
	peerHas float64 // 0 where the peer is not installed.
}

func main() {
	binary := flag.String("bin", "bin/llmwatch", "the program to measure")
	rest := flag.Duration("rest", 5*time.Minute, "how long after the start memory is looked at")
	lines := flag.Int("log-lines", 1_000_000, "how many log lines are stored; with 10000000 queries must not be 10 times slower")
	only := flag.String("only", "", "measure only logs, or only the rest: logs, metrics")
	flag.Parse()

	ctx := context.Background()
	rows, err := measure(ctx, *binary, *only, *rest, *lines)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if !show(rows) {
		os.Exit(1)
	}
}

func measure(ctx context.Context, binary, only string, rest time.Duration, lines int) ([]row, error) {
	dir, err := os.MkdirTemp("", "llmwatch-bench-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()

	b := &bench{binary: binary, dir: dir}
	defer b.stop()
	var steps []func(context.Context) error
	if only != "logs" {
		steps = append(steps, b.startup, b.scrape, b.overview, func(ctx context.Context) error { return b.memory(ctx, rest) })
	}
	if only != "metrics" {
		steps = append(steps, func(ctx context.Context) error { return b.logs(ctx, lines) })
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}

	return b.rows, nil
}

// show prints the table and reports whether every limit was kept.
func show(rows []row) bool {
	kept := true
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ratio\twhat\tllmwatch\tmust be\t\tpeer")
	for _, r := range rows {
		ratio, peer := "-", r.peer
		if r.peerHas > 0 {
			ratio = fmt.Sprintf("%.2f", r.ours/r.peerHas)
			peer = fmt.Sprintf("%s %.3g %s", r.peer, r.peerHas, r.unit)
		}
		verdict := "ok"
		if r.ours > r.limit {
			verdict, kept = "OVER", false
		}
		fmt.Fprintf(w, "%s\t%s\t%.3g %s\t%.3g %s\t%s\t%s\n", ratio, r.what, r.ours, r.unit, r.limit, r.unit, verdict, peer)
	}
	_ = w.Flush() // To standard output.

	return kept
}

// installed reports whether a peer can be measured here.
func installed(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}
