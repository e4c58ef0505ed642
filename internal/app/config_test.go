package app

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestListenAddress(t *testing.T) {
	const (
		form     = ` must be HOST:PORT, such as 127.0.0.1:5000, got `
		port     = ` must have a port from 0 to 65535, got `
		stranger = ` must be a loopback address because callers are not authenticated, got `
		remedy   = `: listen on 127.0.0.1, set security.api_authentication (--api-authentication), or security.allow_anonymous (--allow-anonymous) if the network itself keeps strangers out`
	)
	for _, tc := range []struct {
		listen    string
		anonymous bool
		want      string
	}{
		{"127.0.0.1:5000", false, ""},
		{"127.9.9.9:0", false, ""},
		{"localhost:5000", false, ""},
		{"[::1]:5000", false, ""},
		{"0.0.0.0:5000", true, ""},
		{":5000", true, ""},
		{"", false, form},
		{"5000", false, form},
		{"::1:5000", false, form},
		{"127.0.0.1", true, form},
		{"127.0.0.1:", false, port},
		{"127.0.0.1:http", false, port},
		{"127.0.0.1:65536", false, port},
		{"127.0.0.1:-1", true, port},
		{"0.0.0.0:5000", false, stranger},
		{":5000", false, stranger},
		{"[::]:5000", false, stranger},
		{"10.0.0.7:5000", false, stranger},
		{"localhost.example.com:5000", false, stranger},
		{"127.0.0.1.example.com:5000", false, stranger},
	} {
		c := DefaultConfig(CommandServe)
		c.Server.Listen, c.Security.AllowAnonymous = tc.listen, tc.anonymous
		want := tc.want
		if want != "" {
			want = "server.listen (LLMWATCH_SERVER_LISTEN, --listen)" + want + strconv.Quote(tc.listen)
		}
		if tc.want == stranger {
			want += remedy
		}
		expectConfigError(t, tc.listen, c.check(), want)
	}
}

// expectConfigError expects a *ConfigError with this text, or none where it is
// empty.
func expectConfigError(t *testing.T, what string, err error, want string) {
	t.Helper()

	if want == "" {
		if err != nil {
			t.Errorf("%s is refused: %v", what, err)
		}

		return
	}
	var config *ConfigError
	if !errors.As(err, &config) || err.Error() != want {
		t.Errorf("%s: the error is %T\n%v\nwant a *ConfigError\n%s", what, err, err, want)
	}
}

func TestPrometheusURL(t *testing.T) {
	const wrong = "prometheus.url (LLMWATCH_PROMETHEUS_URL, --prometheus-url) must be an http or https address, such as http://localhost:9090"
	for url, want := range map[string]string{
		"http://localhost:9090":             "",
		"https://user:pass@example.com/p/":  "",
		"":                                  wrong,
		"localhost:9090":                    wrong,
		"http://":                           wrong,
		"http:///path":                      wrong,
		"file:///etc/passwd":                wrong,
		"ftp://user:hunter2@example.com":    wrong,
		"http://user:hunter2@example.com:p": wrong,
	} {
		c := DefaultConfig(CommandBridge)
		c.Prometheus.URL = url
		expectConfigError(t, url, c.check(), want)
	}
}

func TestPathsOfWhatIsKept(t *testing.T) {
	c := DefaultConfig(CommandServe)
	if dir, file := c.metricsDir(), c.databaseFile(); dir != filepath.Join("data", "metrics") || file != filepath.Join("data", "llmwatch.db") {
		t.Errorf("metrics are in %s and alerts in %s", dir, file)
	}
	c.Metrics.DBPath, c.Alerts.DBPath = "monitoring/metrics.db", "monitoring/alerts.db"
	if dir, file := c.metricsDir(), c.databaseFile(); dir != "monitoring/metrics.db" || file != "monitoring/alerts.db" {
		t.Errorf("metrics are in %s and alerts in %s", dir, file)
	}
}

func TestWrongConfigurationTouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	valid := DefaultConfig("")
	valid.Server.Listen, valid.Server.DataDir, valid.Prometheus.URL = "127.0.0.1:0", dir, "http://localhost:9090"
	type build func(Config, *slog.Logger) (*App, error)
	for name, tc := range map[string]struct {
		build build
		spoil func(*Config)
	}{
		"serve: address":      {NewServe, func(c *Config) { c.Server.Listen = "0.0.0.0:0" }},
		"serve: port in use":  {NewServe, func(c *Config) { c.Server.Listen = busy(t) }},
		"serve: collection":   {NewServe, func(c *Config) { c.Metrics.CollectionInterval = 0 }},
		"serve: check":        {NewServe, func(c *Config) { c.Alerts.CheckInterval = 0 }},
		"serve: retention":    {NewServe, func(c *Config) { c.Metrics.RetentionDays = 0 }},
		"serve: no such file": {NewServe, func(c *Config) { c.Prometheus.ConfigFile = filepath.Join(dir, "nothing.yml") }},
		"exporter: address":   {NewExporter, func(c *Config) { c.Server.Listen = "0.0.0.0:0" }},
		"bridge: address":     {NewBridge, func(c *Config) { c.Server.Listen = "0.0.0.0:0" }},
		"bridge: URL":         {NewBridge, func(c *Config) { c.Prometheus.URL = "" }},
		"bridge: interval":    {NewBridge, func(c *Config) { c.Metrics.CollectionInterval = 0 }},
	} {
		cfg := valid
		tc.spoil(&cfg)
		a, err := tc.build(cfg, slog.New(slog.DiscardHandler))
		var config *ConfigError
		if a != nil || !errors.As(err, &config) {
			t.Errorf("%s: the error is %T %v, want a *ConfigError", name, err, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the data directory was made (%v)", name, err)
		}
	}
}
