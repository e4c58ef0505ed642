package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/util/logging"
)

// apply loads the configuration and hands it to every part. Everything that can
// be wrong in a file is found before the first part is changed.
func (e *Engine) apply(scrapeEvery, recordEvery time.Duration) error {
	e.applyMu.Lock()
	defer e.applyMu.Unlock()

	err := e.applyLocked(scrapeEvery, recordEvery)
	e.lastLoad = load{at: time.Now(), err: err}

	return err
}

func (e *Engine) applyLocked(scrapeEvery, recordEvery time.Duration) error {
	cfg, err := e.cfg.load(scrapeEvery)
	if err != nil {
		return err
	}
	e.loader.selfInterval = recordEvery
	files, err := e.loader.read(cfg)
	if err != nil {
		return err
	}
	scrapeSD := map[string]discovery.Configs{}
	jobs, err := cfg.GetScrapeConfigs()
	if err != nil {
		return fmt.Errorf("reading the scrape configurations of %s: %w", e.cfg.source(), err)
	}
	for _, job := range jobs {
		scrapeSD[job.JobName] = job.ServiceDiscoveryConfigs
	}
	notifySD := map[string]discovery.Configs{}
	for name, am := range cfg.AlertingConfig.AlertmanagerConfigs.ToMap() {
		notifySD[name] = am.ServiceDiscoveryConfigs
	}

	before, err := e.current.Load().GetScrapeConfigs()
	if err != nil {
		before = nil // Its files are gone: nothing tells what changed.
	}
	e.current.Store(cfg)

	err = errors.Join(
		e.db.ApplyConfig(cfg),
		e.remote.ApplyConfig(cfg),
		e.applyQueryLog(cfg),
		// The managers come before their discovery: they look up the job of
		// each target group that discovery sends.
		e.scrape.ApplyConfig(cfg),
	)
	e.keepSeries(replacedTargets(before, jobs))

	return errors.Join(
		err,
		e.scrapeSD.ApplyConfig(scrapeSD),
		e.notifier.ApplyConfig(cfg),
		e.notifySD.ApplyConfig(notifySD),
		e.updateRules(cfg, files),
	)
}

// replacedTargets names the jobs whose targets the scrape manager replaces by others
// that differ in nothing but how they are scraped: interval, timeout, scheme, path
// and parameters are part of a target's identity.
func replacedTargets(before, after []*config.ScrapeConfig) []string {
	old := map[string]*config.ScrapeConfig{}
	for _, job := range before {
		old[job.JobName] = job
	}
	var names []string
	for _, job := range after {
		was, ok := old[job.JobName]
		if ok && (was.ScrapeInterval != job.ScrapeInterval || was.ScrapeTimeout != job.ScrapeTimeout ||
			was.Scheme != job.Scheme || was.MetricsPath != job.MetricsPath || !maps.EqualFunc(was.Params, job.Params, slices.Equal)) {
			names = append(names, job.JobName)
		}
	}

	return names
}

// keepSeries keeps the series of those jobs from being marked as gone when their
// targets are replaced. The new target is first scraped up to an interval later, and
// until then alerts would end, and rules would record that there is nothing. It has
// to run after the scrape manager has the new configuration, which starts the loops
// anew, and before discovery replaces the targets.
func (e *Engine) keepSeries(jobs []string) {
	targets := e.scrape.TargetsActive()
	for _, job := range jobs {
		e.scrape.DisableEndOfRunStalenessMarkers(job, targets[job])
	}
}

func (e *Engine) updateRules(cfg *config.Config, files []string) error {
	return e.rules.Update(time.Duration(cfg.GlobalConfig.EvaluationInterval), files,
		cfg.GlobalConfig.ExternalLabels, e.cfg.ExternalURL.String(), nil)
}

// ReloadRules loads the files of Config.Rules again and nothing else, so that it
// does not fail for what somebody is writing in the configuration's own files. If
// anything is wrong, everything stays as it is. Groups that did not change go on
// with their timers.
func (e *Engine) ReloadRules() error {
	e.applyMu.Lock()
	defer e.applyMu.Unlock()
	files, err := e.loader.readBuiltin(e.loader.own, true)
	if err != nil {
		return err
	}

	return e.updateRules(e.current.Load(), files)
}

func (e *Engine) applyQueryLog(cfg *config.Config) error {
	if cfg.GlobalConfig.QueryLogFile == "" {
		e.promql.SetQueryLogger(nil)
		return nil
	}
	logger, err := logging.NewJSONFileLogger(cfg.GlobalConfig.QueryLogFile)
	if err != nil {
		return fmt.Errorf("opening the query log: %w", err)
	}
	e.promql.SetQueryLogger(logger)

	return nil
}

func (e *Engine) loaded() load {
	e.applyMu.Lock()
	defer e.applyMu.Unlock()

	return e.lastLoad
}
