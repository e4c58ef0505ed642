package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"llmwatch/bridge/alert"
)

// counts is a store that can be counted and nothing else.
type counts struct {
	alert.Store
	err error
}

func (c counts) Count(context.Context) ([]alert.Count, error) {
	return []alert.Count{{Status: alert.Active, Severity: alert.High, Alerts: 3}, {Status: alert.Triggered, Severity: alert.Low, Alerts: 1}}, nil
}

func (c counts) Backlog(context.Context) (map[string]int, error) {
	return map[string]int{"email": 2}, c.err
}

func TestAlertMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&alertCollector{store: counts{}, logger: silent})
	settled := newDeliveries(registry)
	settled("email", alert.KindFiring, alert.Delivered)
	settled("email", alert.KindFiring, alert.Delivered)
	settled("slack", alert.KindResolved, alert.Unsettled)
	want := `
		# HELP llmwatch_alerts Alerts that are not resolved, by status and severity.
		# TYPE llmwatch_alerts gauge
		llmwatch_alerts{severity="high",status="active"} 3
		llmwatch_alerts{severity="low",status="triggered"} 1
		# HELP llmwatch_notification_attempts_total Attempts to deliver notifications, by channel, kind and outcome: delivered, pending (to be tried again), refused, expired, or withdrawn in favour of newer news.
		# TYPE llmwatch_notification_attempts_total counter
		llmwatch_notification_attempts_total{channel="email",kind="firing",outcome="delivered"} 2
		llmwatch_notification_attempts_total{channel="slack",kind="resolved",outcome="pending"} 1
		# HELP llmwatch_notifications_pending Notifications that are owed and not delivered, by channel.
		# TYPE llmwatch_notifications_pending gauge
		llmwatch_notifications_pending{channel="email"} 2
	`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("promlint finds %v (%v)", problems, err)
	}
}

func TestDatabaseThatFailsDoesNotBreakTheScrape(t *testing.T) {
	var log bytes.Buffer
	c := &alertCollector{store: counts{err: errors.New("the disk is full")}, logger: slog.New(slog.NewTextHandler(&log, nil))}
	if n := testutil.CollectAndCount(c); n != 0 {
		t.Errorf("it collects %d metrics, want none", n)
	}
	if text := log.String(); !strings.Contains(text, "the disk is full") {
		t.Errorf("it logs %q", text)
	}
}

func TestDataDirectoryThatCannotBeUsedIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "llmwatch.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"a file": filepath.Join(file, "data"), "a damaged database": damaged} {
		t.Run(name, func(t *testing.T) {
			_, err := (&App{logger: silent}).openStore(&Config{Server: Server{DataDir: dir}})
			var config *ConfigError
			if !errors.As(err, &config) || !strings.Contains(err.Error(), dir) {
				t.Errorf("the error is %T %v, want a *ConfigError that names %s", err, err, dir)
			}
		})
	}
}
