package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"llmwatch/bridge"
	"llmwatch/bridge/metrics"
	"llmwatch/bridge/notify"
	"llmwatch/bridge/notify/heartbeat"
	"llmwatch/internal/settings"
)

// The commands that have a configuration.
const (
	CommandServe    = "serve"
	CommandExporter = "exporter"
	CommandBridge   = "bridge"
)

// Config is everything that can be set, in the structure of the configuration
// file. llmwatch/internal/settings says what the tags mean and how to add a key.
// Each command uses the part it needs.
type Config struct {
	Server        Server        `yaml:"server" help:"Where llmwatch is, for programs and for people."`
	Metrics       Metrics       `yaml:"metrics" help:"How metrics are collected and kept."`
	Logging       Logging       `yaml:"logging" help:"How llmwatch itself logs."`
	Alerts        Alerts        `yaml:"alerts" commands:"serve bridge" help:"When alert rules are evaluated, and how often people are told."`
	Notifications Notifications `yaml:"notifications" commands:"serve bridge" reload:"true" help:"Who is told of alerts."`
	Logs          Logs          `yaml:"logs" commands:"serve bridge" help:"Which log entries are kept."`
	Prometheus    Prometheus    `yaml:"prometheus" help:"The metrics server: the embedded one of serve, the external one of bridge."`
	Limits        Limits        `yaml:"limits" help:"What clients can cost each other. What is refused is counted by llmwatch_requests_refused_total."`
	Security      Security      `yaml:"security" help:"Who may do what."`

	// Version is shown by /status and llmwatch_build_info.
	Version Version
	// Console is where whoever starts the program sees what is shown once; nil where
	// nobody does.
	Console io.Writer
	// File is the path of the configuration file, empty for none.
	File string
	// Reread loads the configuration again, for a reload; nil where it does not
	// come from outside.
	Reread func() (*Config, error)
	// Log is the program's own log; nil where its level cannot change.
	Log Log
	// command is the one that runs.
	command string
	// loaded says where the values came from; nil where they were not loaded.
	loaded *settings.Loaded
}

// Server says where to serve and where to keep.
type Server struct {
	Listen      string `yaml:"listen" flag:"listen" help:"Address to serve on, HOST:PORT."`
	DataDir     string `yaml:"data_dir" flag:"data-dir" commands:"serve bridge" help:"Directory for everything that is kept."`
	ExternalURL string `yaml:"external_url" flag:"external-url" commands:"serve bridge" help:"How people reach this llmwatch; messages link to it. http:// and the listen address unless given."`

	AllowedHosts   []string `yaml:"allowed_hosts" flag:"allowed-hosts" help:"Names under which clients reach this llmwatch, beside localhost, IP addresses and the host of external_url. Where callers are not authenticated, requests for other names are refused; * permits all."`
	AllowedOrigins []string `yaml:"allowed_origins" help:"Origins, such as https://grafana.example.com, whose pages may call from a browser; no others but the server's own may."`
}

// Validate checks hosts and origins.
func (s *Server) Validate() error {
	for _, host := range s.AllowedHosts {
		if host != "*" && !hostName.MatchString(host) {
			return fmt.Errorf("allowed_hosts must hold names such as llmwatch.example.com, without scheme and port, or *, got %q", host)
		}
	}
	for _, origin := range s.AllowedOrigins {
		u, err := url.Parse(origin)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || origin != u.Scheme+"://"+strings.ToLower(u.Host) {
			return fmt.Errorf("allowed_origins must hold origins such as https://grafana.example.com, got %q", origin)
		}
	}

	return nil
}

// hostName is what a name of a host looks like, whatever its labels mean.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$`)

// Metrics says how metrics are collected and kept.
type Metrics struct {
	CollectionInterval time.Duration `yaml:"collection_interval" commands:"serve bridge" env:"METRICS_COLLECTION_INTERVAL" flag:"collection-interval" min:"1s" max:"2m" help:"Time between two samples."`
	RetentionDays      time.Duration `yaml:"retention_days" flag:"retention-days" unit:"days" commands:"serve" help:"How long metrics are kept; 0 for no bound."`
	RetentionSize      int64         `yaml:"retention_size" flag:"retention-size" unit:"bytes" commands:"serve" help:"How many bytes of metrics are kept at most, such as 10GB; 0 for no bound."`
	DBPath             string        `yaml:"db_path" env:"METRICS_DB_PATH" flag:"metrics-dir" commands:"serve" help:"Directory of the time series; metrics in server.data_dir unless given."`
	ProcPath           string        `yaml:"proc_path" flag:"procfs" commands:"serve exporter" help:"Where the host's procfs is mounted, for a container that watches its host."`
	RootPath           string        `yaml:"root_path" flag:"rootfs" commands:"serve exporter" help:"Where the host's root file system is mounted, for a container that watches its host."`
	BatchSize          int           `yaml:"batch_size" commands:"serve" min:"1" help:"Accepted for older files and without effect: each scrape is written as one batch, whatever its size."`
}

// Alerts says when alert rules are evaluated, and how often people are told.
type Alerts struct {
	CheckInterval      time.Duration `yaml:"check_interval" env:"ALERT_CHECK_INTERVAL" flag:"check-interval" min:"1s" max:"2m" help:"Time between two evaluations of the alert rules."`
	DefaultCooldown    time.Duration `yaml:"default_cooldown" env:"ALERT_COOLDOWN_PERIOD" flag:"cooldown" help:"Shortest time between two notifications of one alert, unless its rule says otherwise."`
	DBPath             string        `yaml:"db_path" help:"SQLite file of alerts; llmwatch.db in server.data_dir unless given."`
	RateLimiting       bool          `yaml:"rate_limiting" reload:"true" help:"Whether max_alerts_per_hour holds."`
	MaxAlertsPerHour   int           `yaml:"max_alerts_per_hour" flag:"max-alerts-per-hour" reload:"true" min:"0" help:"Notifications in any hour; the rest comes in a digest, 3 minutes later at most. Never holds critical alerts. 0 for no bound."`
	EscalateAfter      time.Duration `yaml:"escalate_after" flag:"escalate-after" reload:"true" help:"How long an alert may stay unacknowledged until others are told too; 0 for ever."`
	EscalateTo         []string      `yaml:"escalate_to" flag:"escalate-to" reload:"true" help:"Channels that are told then; those of notifications.channels need not be told before."`
	HeartbeatURL       notify.Secret `yaml:"heartbeat_url" flag:"heartbeat-url" secret:"true" help:"Address that is called (GET) every check_interval while all is well: a dead man's switch."`
	MissingRuleAfter   time.Duration `yaml:"missing_rule_after" commands:"bridge" help:"How long the metrics server may leave a rule out of its answers until the alerts of the rule end; 0 for ever."`
	AlertmanagerRepeat time.Duration `yaml:"alertmanager_repeat_interval" min:"1m" help:"The repeat_interval of the Alertmanager that sends webhooks: an alert that it has not repeated for that time and an eighth more, 10 minutes at least, is told as not reported any more."`
	SendResolved       bool          `yaml:"send_resolved" reload:"true" help:"Whether those who were told of an alert are told of its end."`
}

// Validate checks the heartbeat's address.
func (a *Alerts) Validate() error {
	if a.HeartbeatURL == "" {
		return nil
	}
	if err := heartbeat.CheckURL(a.HeartbeatURL); err != nil {
		return fmt.Errorf("heartbeat_url %w", err)
	}

	return nil
}

// Prometheus says which metrics server there is.
type Prometheus struct {
	URL        string        `yaml:"url" flag:"prometheus-url" commands:"bridge" help:"Base address of a Prometheus, Thanos, Mimir or VictoriaMetrics."`
	RulesDir   string        `yaml:"rules_dir" flag:"rules-dir" commands:"bridge" help:"Folder whose *.yml that server loads as rule files: llmwatch keeps its rules there, and has the server reload them."`
	Timeout    time.Duration `yaml:"timeout" flag:"prometheus-timeout" commands:"bridge" min:"1s" max:"5m" help:"How long the metrics server may take to answer which alerts fire."`
	ConfigFile string        `yaml:"config_file" flag:"prometheus-config" commands:"serve" help:"Prometheus configuration file with further scrape jobs, rule files, alerting and remote_write."`
}

// Log is what a reload changes of a log.
type Log interface{ SetLevel(level slog.Level) }

// Version identifies the build.
type Version struct {
	Version string
	Commit  string
}

// DefaultConfig is what a command does unless it is told otherwise.
func DefaultConfig(command string) Config {
	c := Config{
		Server: Server{Listen: "127.0.0.1:5000", DataDir: "data"},
		Metrics: Metrics{
			CollectionInterval: 30 * time.Second, RetentionDays: 7 * 24 * time.Hour, BatchSize: 100,
			ProcPath: "/proc", RootPath: "/",
		},
		Logging: defaultLogging(),
		Alerts: Alerts{
			CheckInterval: time.Minute, DefaultCooldown: 30 * time.Minute, RateLimiting: true, SendResolved: true,
			MissingRuleAfter: 24 * time.Hour, AlertmanagerRepeat: bridge.DefaultAlertmanagerRepeat,
		},
		Prometheus:    Prometheus{Timeout: metrics.DefaultTimeout},
		Notifications: defaultNotifications(),
		Security:      defaultSecurity(),
		Logs:          defaultLogs(),
		Limits:        defaultLimits(),
		command:       command,
	}
	if command == CommandExporter {
		c.Server.Listen = "127.0.0.1:9925"
	}

	return c
}

// Settings describes what can be set for a command.
func Settings(command string) *settings.Schema {
	defaults := DefaultConfig(command)

	return settings.New(&defaults)
}

// Load reads the configuration of a command. What is wrong is a *ConfigError
// that holds everything that is.
func Load(in settings.Input) (*Config, *settings.Loaded, error) {
	c := &Config{}
	loaded, err := Settings(in.Command).Load(c, in)
	if err != nil {
		return nil, nil, &ConfigError{err}
	}
	c.File, c.loaded = in.File, loaded

	return c, loaded, nil
}

// check is Load for a configuration that comes from elsewhere.
func (c *Config) check() error {
	if err := Settings(c.command).Validate(c, c.command); err != nil {
		return &ConfigError{err}
	}

	return nil
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

// Validate checks what no section can know alone.
func (c *Config) Validate() error {
	return errors.Join(c.checkListen(), c.checkEncryption(), c.checkHostPaths(), c.checkPrometheusURL(), c.checkRulesDir(), c.checkRetention(), c.checkEscalation(), c.checkSecurity())
}

// checkListen refuses to serve strangers unless that was asked for.
func (c *Config) checkListen() error {
	listen := c.Server.Listen
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("server.listen must be HOST:PORT, such as 127.0.0.1:5000, got %q", listen)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("server.listen must have a port from 0 to 65535, got %q", listen)
	}
	if c.Security.keepsStrangersOut() || IsLoopback(host) {
		return nil
	}

	return fmt.Errorf("server.listen must be a loopback address because callers are not authenticated, got %q: "+
		"listen on 127.0.0.1, set security.api_authentication (--api-authentication), or security.allow_anonymous (--allow-anonymous) if the network itself keeps strangers out", listen)
}

// IsLoopback reports whether a host is this machine and nothing else.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)

	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func (c *Config) checkPrometheusURL() error {
	if c.command != CommandBridge {
		return nil
	}
	u, err := url.Parse(c.Prometheus.URL)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return nil
	}

	return errors.New("prometheus.url must be an http or https address, such as http://localhost:9090")
}

// checkHostPaths finds a mount that is missing before its metrics are.
func (c *Config) checkHostPaths() error {
	if c.command != CommandServe && c.command != CommandExporter {
		return nil
	}
	var errs []error
	for _, at := range [][2]string{{"metrics.proc_path", c.Metrics.ProcPath}, {"metrics.root_path", c.Metrics.RootPath}} {
		if info, err := os.Stat(at[1]); err != nil || !info.IsDir() {
			errs = append(errs, fmt.Errorf("%s must be a folder that exists, got %q", at[0], at[1]))
		}
	}

	return errors.Join(errs...)
}

func (c *Config) checkRulesDir() error {
	if c.command != CommandBridge || c.Prometheus.RulesDir == "" {
		return nil
	}
	if info, err := os.Stat(c.Prometheus.RulesDir); err != nil || !info.IsDir() {
		return fmt.Errorf("prometheus.rules_dir must be a folder that exists, got %q", c.Prometheus.RulesDir)
	}

	return nil
}

func (c *Config) checkRetention() error {
	if c.command == CommandServe && c.Metrics.RetentionDays == 0 && c.Metrics.RetentionSize == 0 {
		return errors.New("metrics.retention_days must be more than 0, or metrics.retention_size must")
	}

	return nil
}

// metricsDir is where the time series are.
func (c *Config) metricsDir() string {
	if c.Metrics.DBPath != "" {
		return c.Metrics.DBPath
	}

	return filepath.Join(c.Server.DataDir, "metrics")
}

// logsDir is where the log entries are.
func (c *Config) logsDir() string { return filepath.Join(c.Server.DataDir, "logs") }

// DatabaseFile is its name in the data directory.
const DatabaseFile = "llmwatch.db"

// databaseFile is the SQLite file of everything that is neither a metric nor a
// log line.
func (c *Config) databaseFile() string {
	if c.Alerts.DBPath != "" {
		return c.Alerts.DBPath
	}

	return filepath.Join(c.Server.DataDir, DatabaseFile)
}
