package app

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"

	"llmwatch/internal/engine"
)

// Config is everything that can be set. Each command uses the part it needs.
type Config struct {
	// Listen is the host:port to serve on.
	Listen string
	// AllowAnonymous permits listening on other than loopback addresses
	// although callers are not authenticated.
	AllowAnonymous bool
	// DataDir holds everything that is kept; MetricsDir the time series,
	// DataDir/metrics where empty.
	DataDir    string
	MetricsDir string
	// PrometheusConfig is a Prometheus configuration file for the embedded
	// engine, or empty for the built-in one.
	PrometheusConfig string
	// PrometheusURL is the external server that the bridge asks.
	PrometheusURL string
	// RulesDir is a folder whose *.yml files the external server loads as rule
	// files; llmwatch writes its rules there. Empty where it must not.
	RulesDir string
	// CollectionInterval is the time between two samples, CheckInterval
	// between two evaluations of the alert rules.
	CollectionInterval Duration
	CheckInterval      Duration
	// RetentionTime and RetentionSize bound the time series; 0 is no bound.
	RetentionTime Duration
	RetentionSize Bytes
	// ExternalURL is how people reach this llmwatch; messages link to it. Empty
	// means http:// and the listen address.
	ExternalURL   string
	Notifications Notifications
	// Version is shown by /status and llmwatch_build_info.
	Version Version
}

// Version identifies the build.
type Version struct {
	Version string
	Commit  string
}

// ConfigError is a mistake of whoever runs the program, not of the program.
type ConfigError struct{ Err error }

// Error implements error.
func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *ConfigError) Unwrap() error { return e.Err }

func configErrorf(format string, args ...any) error {
	return &ConfigError{fmt.Errorf(format, args...)}
}

// checkListen refuses to serve strangers unless that was asked for.
func (c *Config) checkListen() error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return configErrorf("listen address %q must be HOST:PORT, such as 127.0.0.1:5000", c.Listen)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return configErrorf("listen address %q: the port must be a number from 0 to 65535", c.Listen)
	}
	ip := net.ParseIP(host)
	if c.AllowAnonymous || host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return nil
	}

	return configErrorf("listen address %q is not a loopback address and callers are not authenticated: "+
		"listen on 127.0.0.1, or set security.allow_anonymous (--allow-anonymous) if the network itself keeps strangers out", c.Listen)
}

func (c *Config) metricsDir() string {
	if c.MetricsDir != "" {
		return c.MetricsDir
	}

	return filepath.Join(c.DataDir, "metrics")
}

func (c *Config) checkPrometheusURL() error {
	u, err := url.Parse(c.PrometheusURL)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return nil
	}
	shown := c.PrometheusURL
	if i := strings.LastIndexByte(shown, '@'); i >= 0 {
		shown = "<secret>" + shown[i:] // Credentials may stand before it.
	}

	return configErrorf("prometheus URL %q must be an http or https URL, such as http://localhost:9090", shown)
}

func (c *Config) checkCollectionInterval() error {
	return c.CollectionInterval.check("collection interval (METRICS_COLLECTION_INTERVAL, --collection-interval)")
}

func (c *Config) checkCheckInterval() error {
	return c.CheckInterval.check("check interval (ALERT_CHECK_INTERVAL, --check-interval)")
}

// check holds an interval against the engine's bounds.
func (d Duration) check(name string) error {
	if t := time.Duration(d); t < engine.MinInterval || t > engine.MaxInterval {
		return configErrorf("%s must be from %s to %s, got %s", name, engine.MinInterval, engine.MaxInterval, t)
	}

	return nil
}

// Duration is a time span that is written as a number of seconds or with a
// unit: 30, 30s, 5m, 7d.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	if seconds, err := strconv.ParseUint(string(text), 10, 31); err == nil {
		*d = Duration(time.Duration(seconds) * time.Second)
		return nil
	}
	parsed, err := model.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("must be a number of seconds or a duration such as 30s, 5m or 7d, got %q", text)
	}
	*d = Duration(parsed)

	return nil
}

// Bytes is a size that is written as a number of bytes or with a unit: 10MB.
type Bytes int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseUint(string(text), 10, 63); err == nil {
		*b = Bytes(n)
		return nil
	}
	parsed, err := units.ParseBase2Bytes(string(text))
	if err != nil || parsed < 0 {
		return fmt.Errorf("must be a size such as 512MB or 10GB, got %q", text)
	}
	*b = Bytes(parsed)

	return nil
}
