package app

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge"
	"llmwatch/bridge/metrics"
)

var update = flag.Bool("update", false, "write what the documentation lists of the program")

const (
	metricsDoc  = "../../docs/metrics.md"
	beginOfList = "<!-- list: go test ./internal/app -update -->\n"
)

// A metric's description has no other accessor than its text.
var descText = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)", unit: "[^"]*", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// TestDocumentedMetrics keeps docs/metrics.md the list of everything that
// llmwatch publishes under names of its own or of the conventions it follows.
func TestDocumentedMetrics(t *testing.T) {
	cfg := listening(CommandServe)
	out, err := publish(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	client, err := metrics.New(metrics.Config{URL: "http://localhost:1", Interval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	bridge.New(bridge.Options{
		Metrics: client, Interval: time.Second, Registerer: out.registry, Logger: slog.New(slog.DiscardHandler),
	})
	cfg.Server.DataDir = t.TempDir()
	a := &App{logger: slog.New(slog.DiscardHandler)}
	if _, err := a.startLogs(cfg, newOwnLog(slog.DiscardHandler), out.registry, out.ingest); err != nil {
		t.Fatal(err)
	}
	newDeliveries(out.registry)
	newBeats(out.registry)
	out.registry.MustRegister(&alertCollector{}, &ruleCollector{}, &diskCollector{}, &lossCollector{func() map[string]int { return nil }}, newReloader(cfg, silent), cfg.newGate())
	newAccess(false, silent, out.registry)

	want := metricsTable(t, out.registry)
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(metricsDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, got, found := strings.Cut(string(text), beginOfList)
	if !found {
		t.Fatalf("%s has no line %q", metricsDoc, beginOfList)
	}
	if *update {
		if err := os.WriteFile(metricsDoc, []byte(before+beginOfList+want), 0o600); err != nil {
			t.Fatal(err)
		}

		return
	}
	if got != want {
		t.Errorf("%s is not what is published; go test ./internal/app -update writes it anew", metricsDoc)
	}
}

func metricsTable(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()

	descs := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(descs)
		close(descs)
	}()
	var rows []string
	for desc := range descs {
		m := descText.FindStringSubmatch(desc.String())
		if m == nil {
			t.Errorf("a description reads %s", desc)
			continue
		}
		name, help := m[1], m[2]
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		if help == "" {
			t.Errorf("%s has no help text", name)
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", name, strings.ReplaceAll(m[4], ",", ", "), help))
	}
	slices.Sort(rows)
	rows = slices.Compact(rows)
	if len(rows) < 50 {
		t.Errorf("only %d metrics were found", len(rows))
	}

	return "| name | labels | meaning |\n|---|---|---|\n" + strings.Join(rows, "")
}
