package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"

	"llmwatch/internal/quota"
)

// SelfJob is the name of the scrape job that is added for this process unless
// the configuration file has a job of that name.
const SelfJob = "llmwatch"

// Bounds of the intervals that a Config may ask for. Queries look back five
// minutes for the newest sample, and a rate needs two: above two minutes, one
// late scrape would make series vanish.
const (
	MinInterval = time.Second
	MaxInterval = 2 * time.Minute
	// DefaultInterval is that of scrapes where nothing else is known.
	DefaultInterval = 15 * time.Second
)

// maxExemplars bounds the exemplar buffer, which is allocated at once. The
// server's own default of 100,000 costs more memory than everything else here.
const maxExemplars = 5000

// outOfOrder is how late a sample may come: programs that push over OTLP retry,
// and several of them do not agree on the time to the millisecond.
const outOfOrder = 5 * time.Minute

// Config says what to run. The zero value is not usable; Validate tells why.
type Config struct {
	// Dir holds the time series database. It is made when missing.
	Dir string
	// ConfigFile is a Prometheus configuration file, or empty for the built-in one.
	ConfigFile string
	// Self serves this process's own metrics at /metrics, or is nil. It is
	// scraped like any target, through memory instead of a port, so that the
	// scrape needs no credentials and still works while the port closes.
	Self http.Handler
	// Instance is the `instance` label of this process's own series. It names
	// the machine, so that a changed port does not begin new series.
	Instance string
	// Rules returns the rule files that are loaded beside the configuration's
	// own, by name; it is asked at each load. A group whose name also occurs in
	// the configuration's rule_files is left out: the user's version replaces
	// it. May be nil.
	Rules func() map[string][]byte
	// CollectionInterval is the time between two scrapes of this process and
	// between two evaluations of built-in groups that only record.
	CollectionInterval time.Duration
	// CheckInterval is the time between two evaluations of alert rules.
	CheckInterval time.Duration
	// RetentionTime and RetentionSize (bytes, 0 for no bound) apply unless the
	// configuration file has a retention section.
	RetentionTime time.Duration
	RetentionSize int64
	// QueryTimeout, QueryMaxSamples and QueryMaxSteps, of a subquery, bound one
	// query, QueryMemory (bytes) all that are evaluated at a time, and
	// QueryConcurrency the expensive ones of the HTTP API that run or wait; 0 is
	// the default. Limited is told of queries that ran into them; may be nil.
	QueryTimeout     time.Duration
	QueryMaxSamples  int
	QueryMaxSteps    int
	QueryMemory      int64
	QueryConcurrency int
	Limited          func(Limit)
	// Series bounds the series that are pushed, Refusals is told what was refused;
	// either may be nil. Refuse answers a push that was refused as a whole; the
	// server's plain text where nil.
	Series   *quota.SeriesCount
	Refusals *quota.Refusals
	Refuse   func(w http.ResponseWriter, status int, code, message string)
	// ExternalURL is how people reach the API; alerts link to it.
	ExternalURL *url.URL
	// Changed is called when alerts begin or cease to fire, and again while they
	// fire; it must not block. May be nil.
	Changed func()
	// Logger receives the server's own messages.
	Logger *slog.Logger
}

// Validate reports what is wrong with the configuration, its Prometheus
// configuration file or a rule file, without changing anything on disk.
func (c *Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("engine: the data directory is not set")
	case c.ExternalURL == nil:
		return errors.New("engine: the external URL is not set")
	case c.RetentionTime <= 0 && c.RetentionSize <= 0:
		return errors.New("engine: retention needs a time or a size")
	}
	for name, d := range map[string]time.Duration{
		"collection interval": c.CollectionInterval,
		"check interval":      c.CheckInterval,
	} {
		if d < MinInterval || d > MaxInterval {
			return fmt.Errorf("engine: the %s must be from %s to %s, got %s", name, MinInterval, MaxInterval, d)
		}
	}
	cfg, err := c.load(c.CollectionInterval)
	if err != nil {
		return err
	}
	_, err = newRuleLoader(c).read(cfg)

	return err
}

// setDefaults changes the defaults of the server's configuration parser, which
// offers no other way: native histograms are scraped unless the file says
// otherwise, through the protobuf format, which also carries start timestamps.
var setDefaults = sync.OnceFunc(func() {
	on := true
	config.DefaultGlobalConfig.ScrapeNativeHistograms = &on
	config.DefaultGlobalConfig.ScrapeProtocols = config.DefaultProtoFirstScrapeProtocols
	config.DefaultConfig.GlobalConfig = config.DefaultGlobalConfig
})

// load reads the configuration file, or the built-in configuration, and adds
// what llmwatch always has. The scrape interval of this process is given apart
// because it is shorter while the engine starts.
func (c *Config) load(selfInterval time.Duration) (*config.Config, error) {
	setDefaults()

	base, err := c.loadBase()
	if err != nil {
		return nil, err
	}
	// Rules and readers use the classic _count and _sum series; a histogram that
	// existed only natively would be invisible to them.
	base.GlobalConfig.AlwaysScrapeClassicHistograms = true
	always := true
	for _, job := range base.ScrapeConfigs {
		job.AlwaysScrapeClassicHistograms = &always
	}
	if c.ConfigFile == "" {
		base.StorageConfig.TSDBConfig.OutOfOrderTimeWindow = outOfOrder.Milliseconds()
	}
	if base.StorageConfig.ExemplarsConfig == nil {
		base.StorageConfig.ExemplarsConfig = &config.ExemplarsConfig{MaxExemplars: maxExemplars}
	}
	if base.StorageConfig.TSDBConfig.Retention == nil ||
		*base.StorageConfig.TSDBConfig.Retention == (config.TSDBRetentionConfig{}) {
		base.StorageConfig.TSDBConfig.Retention = c.retention()
	}

	jobs, err := base.GetScrapeConfigs()
	if err != nil {
		return nil, fmt.Errorf("reading the scrape configurations of %s: %w", c.source(), err)
	}
	for _, job := range jobs {
		if job.JobName == SelfJob {
			return base, nil
		}
	}
	if c.Self != nil {
		self, err := c.selfJob(selfInterval)
		if err != nil {
			return nil, err
		}
		base.ScrapeConfigs = append(base.ScrapeConfigs, self)
	}

	return base, nil
}

func (c *Config) loadBase() (*config.Config, error) {
	if c.ConfigFile == "" {
		return parse(fmt.Sprintf("global: {scrape_interval: %s, scrape_timeout: %s, evaluation_interval: %s}\n",
			model.Duration(c.CollectionInterval), scrapeTimeout(c.CollectionInterval), model.Duration(c.CheckInterval)))
	}
	cfg, err := config.LoadFile(c.ConfigFile, false, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("loading the Prometheus configuration: %s", oneLine(err))
	}

	return cfg, nil
}

func (c *Config) selfJob(interval time.Duration) (*config.ScrapeConfig, error) {
	cfg, err := parse(fmt.Sprintf(`
global: {scrape_interval: %[1]s, scrape_timeout: %[2]s}
scrape_configs:
  - job_name: %[3]s
    always_scrape_classic_histograms: true
    static_configs:
      - targets: [%[4]q]
        labels: {instance: %[5]q}
`, model.Duration(interval), scrapeTimeout(interval), SelfJob, selfAddress, c.Instance))
	if err != nil {
		return nil, err
	}

	return cfg.ScrapeConfigs[0], nil
}

func (c *Config) retention() *config.TSDBRetentionConfig {
	return &config.TSDBRetentionConfig{
		Time: model.Duration(max(c.RetentionTime, 0)),
		Size: units.Base2Bytes(max(c.RetentionSize, 0)),
	}
}

func (c *Config) source() string {
	if c.ConfigFile == "" {
		return "the built-in Prometheus configuration"
	}

	return c.ConfigFile
}

func parse(text string) (*config.Config, error) {
	cfg, err := config.Load(text, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("loading the built-in Prometheus configuration: %w", err)
	}

	return cfg, nil
}

func scrapeTimeout(interval time.Duration) model.Duration {
	return model.Duration(min(interval, 10*time.Second))
}

func (c *Config) refuse(w http.ResponseWriter, status int, code, message string) {
	if c.Refuse != nil {
		c.Refuse(w, status, code, message)
		return
	}
	http.Error(w, code+": "+message, status)
}

// oneLine joins the lines that YAML errors come in, so that a configuration
// error stays one line on a terminal and in a log.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// PrepareDir makes the data directory and makes sure that files can be written
// there, so that a wrong path is reported as such and not by the database.
func PrepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("the data directory %s cannot be made: %w", dir, err)
	}
	probe, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("the data directory %s cannot be written: %w", dir, err)
	}
	probe.Close()

	return os.Remove(probe.Name())
}
