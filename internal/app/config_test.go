package app

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestListenAddress(t *testing.T) {
	const (
		form     = ` must be HOST:PORT, such as 127.0.0.1:5000`
		port     = `: the port must be a number from 0 to 65535`
		stranger = ` is not a loopback address and callers are not authenticated: listen on 127.0.0.1, or set ` +
			`security.allow_anonymous (--allow-anonymous) if the network itself keeps strangers out`
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
		err := (&Config{Listen: tc.listen, AllowAnonymous: tc.anonymous}).checkListen()
		want := tc.want
		if want != "" {
			want = `listen address "` + tc.listen + `"` + want
		}
		expectConfigError(t, tc.listen, err, want)
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
	const form = ` must be an http or https URL, such as http://localhost:9090`
	for url, want := range map[string]string{
		"http://localhost:9090":             "",
		"https://user:pass@example.com/p/":  "",
		"":                                  `prometheus URL ""` + form,
		"localhost:9090":                    `prometheus URL "localhost:9090"` + form,
		"http://":                           `prometheus URL "http://"` + form,
		"http:///path":                      `prometheus URL "http:///path"` + form,
		"file:///etc/passwd":                `prometheus URL "file:///etc/passwd"` + form,
		"ftp://user:hunter2@example.com":    `prometheus URL "<secret>@example.com"` + form,
		"http://user:hunter2@example.com:p": `prometheus URL "<secret>@example.com:p"` + form,
	} {
		expectConfigError(t, url, (&Config{PrometheusURL: url}).checkPrometheusURL(), want)
	}
}

func TestIntervals(t *testing.T) {
	for d, ok := range map[time.Duration]bool{
		0: false, time.Second - 1: false, time.Second: true, 2 * time.Minute: true, 2*time.Minute + 1: false,
	} {
		c := &Config{CollectionInterval: Duration(d), CheckInterval: Duration(d)}
		collection, check := "", ""
		if !ok {
			collection = "collection interval (METRICS_COLLECTION_INTERVAL, --collection-interval) must be from 1s to 2m0s, got " + d.String()
			check = "check interval (ALERT_CHECK_INTERVAL, --check-interval) must be from 1s to 2m0s, got " + d.String()
		}
		expectConfigError(t, d.String(), c.checkCollectionInterval(), collection)
		expectConfigError(t, d.String(), c.checkCheckInterval(), check)
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "30": 30 * time.Second, "30s": 30 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute,
		"7d": 7 * 24 * time.Hour, "1500ms": 1500 * time.Millisecond, "2147483647": 2147483647 * time.Second,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%q is read as %s (%v), want %s", text, time.Duration(d), err, want)
		}
	}
	for _, text := range []string{"", "-5", "1.5", "30 s", "abc", "5M", "2147483648", "9999999999999999999d", "m5"} {
		d := Duration(42)
		err := d.UnmarshalText([]byte(text))
		if want := `must be a number of seconds or a duration such as 30s, 5m or 7d, got "` + text + `"`; err == nil || err.Error() != want || d != 42 {
			t.Errorf("%q is read as %s, the error is %v", text, time.Duration(d), err)
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{
		"0": 0, "1000": 1000, "10MB": 10 << 20, "10MiB": 10 << 20, "1GB": 1 << 30, "512KB": 512 << 10, "9223372036854775807": 1<<63 - 1,
	} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q is read as %d (%v), want %d", text, b, err, want)
		}
	}
	for _, text := range []string{"", "-1", "-1MB", "10 MB", "MB", "ten", "9223372036854775808", "100EB"} {
		b := Bytes(42)
		err := b.UnmarshalText([]byte(text))
		if want := `must be a size such as 512MB or 10GB, got "` + text + `"`; err == nil || err.Error() != want || b != 42 {
			t.Errorf("%q is read as %d, the error is %v", text, b, err)
		}
	}
}

func FuzzSettings(f *testing.F) {
	for _, seed := range []string{"30", "30s", "7d", "10MB", "-1", "1e9", "1.5GB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d Duration
		var b Bytes
		if err := d.UnmarshalText([]byte(text)); err == nil && d < 0 {
			t.Errorf("%q is read as %s", text, time.Duration(d))
		}
		if err := b.UnmarshalText([]byte(text)); err == nil && b < 0 {
			t.Errorf("%q is read as %d bytes", text, b)
		}
	})
}

func TestMetricsDir(t *testing.T) {
	for want, c := range map[string]Config{
		filepath.Join("data", "metrics"): {DataDir: "data"},
		"elsewhere":                      {DataDir: "data", MetricsDir: "elsewhere"},
	} {
		if got := c.metricsDir(); got != want {
			t.Errorf("%+v keeps metrics in %s, want %s", c, got, want)
		}
	}
}

func TestWrongConfigurationTouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	valid := Config{
		Listen: "127.0.0.1:0", DataDir: dir, PrometheusURL: "http://localhost:9090",
		CollectionInterval: Duration(time.Second), CheckInterval: Duration(time.Second), RetentionTime: Duration(time.Hour),
	}
	type build func(Config, *slog.Logger) (*App, error)
	for name, tc := range map[string]struct {
		build build
		spoil func(*Config)
	}{
		"serve: address":      {NewServe, func(c *Config) { c.Listen = "0.0.0.0:0" }},
		"serve: port in use":  {NewServe, func(c *Config) { c.Listen = busy(t) }},
		"serve: collection":   {NewServe, func(c *Config) { c.CollectionInterval = 0 }},
		"serve: check":        {NewServe, func(c *Config) { c.CheckInterval = 0 }},
		"serve: retention":    {NewServe, func(c *Config) { c.RetentionTime = 0 }},
		"serve: no such file": {NewServe, func(c *Config) { c.PrometheusConfig = filepath.Join(dir, "nothing.yml") }},
		"exporter: address":   {NewExporter, func(c *Config) { c.Listen = "0.0.0.0:0" }},
		"bridge: address":     {NewBridge, func(c *Config) { c.Listen = "0.0.0.0:0" }},
		"bridge: URL":         {NewBridge, func(c *Config) { c.PrometheusURL = "" }},
		"bridge: interval":    {NewBridge, func(c *Config) { c.CollectionInterval = 0 }},
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
