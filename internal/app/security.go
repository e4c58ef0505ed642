package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge"
	"llmwatch/bridge/notify"
	"llmwatch/internal/auth"
)

// Security says who may do what.
type Security struct {
	APIAuthentication    bool          `yaml:"api_authentication" flag:"api-authentication" help:"Whether callers have to show credentials."`
	AllowAnonymous       bool          `yaml:"allow_anonymous" flag:"allow-anonymous" help:"Permits listening on other than loopback addresses although callers are not authenticated."`
	AccessControl        AccessControl `yaml:"access_control" commands:"serve bridge" reload:"true" help:"Which roles have a permission: admin, operator, viewer, ingest, scrape."`
	SessionLifetime      time.Duration `yaml:"session_lifetime" commands:"serve bridge" min:"1m" help:"How long after the login to the page a session ends."`
	AuditLogging         bool          `yaml:"audit_logging" flag:"audit-logging" commands:"serve bridge" help:"Whether it is recorded who did or read what."`
	AuditRetention       time.Duration `yaml:"audit_retention" commands:"serve bridge" min:"1h" help:"How long the record is kept."`
	EncryptSensitiveData bool          `yaml:"encrypt_sensitive_data" flag:"encrypt-sensitive-data" commands:"serve bridge" help:"Whether log entries, and what alerts and notifications say, are encrypted on disk."`
	EncryptionKey        notify.Secret `yaml:"encryption_key" secret:"true" commands:"serve bridge" help:"The key: 32 bytes in base64. Several, one a line, once it was changed: the first encrypts, the others still open what is older."`
	WebConfigFile        string        `yaml:"web_config_file" flag:"web-config-file" help:"Web configuration file, as Prometheus and its exporters have: TLS, client certificates, basic_auth_users."`
}

// AccessControl says which roles have a permission.
type AccessControl struct {
	ReadMetrics       []string `yaml:"read_metrics" help:"See metrics, alerts, rules and logs."`
	AcknowledgeAlerts []string `yaml:"acknowledge_alerts" help:"Acknowledge alerts."`
	ManageRules       []string `yaml:"manage_rules" help:"Change rules, reload, send test notifications."`
	IngestData        []string `yaml:"ingest_data" help:"Push metrics, logs and alerts."`
	ScrapeMetrics     []string `yaml:"scrape_metrics" help:"Read /metrics."`
	ReadConfiguration []string `yaml:"read_configuration" help:"See how llmwatch is configured, its embedded engine included, and what that scrapes."`
}

// defaultSecurity is what holds unless something else is said.
func defaultSecurity() Security {
	policy := auth.DefaultPolicy()
	roles := func(permission auth.Permission) (names []string) {
		for _, role := range policy[permission] {
			names = append(names, string(role))
		}

		return names
	}

	return Security{
		SessionLifetime: 12 * time.Hour,
		AuditRetention:  90 * 24 * time.Hour,
		AccessControl: AccessControl{
			ReadMetrics: roles(auth.ReadMetrics), AcknowledgeAlerts: roles(auth.AcknowledgeAlerts), ManageRules: roles(auth.ManageRules),
			IngestData: roles(auth.IngestData), ScrapeMetrics: roles(auth.ScrapeMetrics), ReadConfiguration: roles(auth.ReadConfiguration),
		},
	}
}

// policy reads which roles have which permission.
func (s *Security) policy() (auth.Policy, error) {
	c := &s.AccessControl
	policy, err := auth.ParsePolicy(map[string][]string{
		string(auth.ReadMetrics): c.ReadMetrics, string(auth.AcknowledgeAlerts): c.AcknowledgeAlerts, string(auth.ManageRules): c.ManageRules,
		string(auth.IngestData): c.IngestData, string(auth.ScrapeMetrics): c.ScrapeMetrics, string(auth.ReadConfiguration): c.ReadConfiguration,
	})
	if err != nil {
		return nil, fmt.Errorf("security.access_control.%w", err)
	}

	return policy, nil
}

// checkSecurity finds what is wrong with who may do what.
func (c *Config) checkSecurity() error {
	file, err := loadWebConfig(c.Security.WebConfigFile)
	if err != nil {
		return err
	}
	switch users := len(file.users) > 0; {
	case users && !c.Security.APIAuthentication:
		return errors.New("security.web_config_file has basic_auth_users, which need security.api_authentication: true")
	case c.command == CommandExporter && c.Security.APIAuthentication && !users:
		return errors.New("security.api_authentication of the exporter needs basic_auth_users in security.web_config_file: it keeps no users and tokens itself")
	}
	_, err = c.Security.policy()

	return err
}

// keepsStrangersOut reports whether callers are known before they are served.
func (s *Security) keepsStrangersOut() bool {
	return s.APIAuthentication || s.AllowAnonymous || s.needsCertificate()
}

// needsCertificate reports whether TLS alone keeps strangers out.
func (s *Security) needsCertificate() bool {
	file, err := loadWebConfig(s.WebConfigFile)

	return err == nil && file.secured()
}

// startAccess makes the door that callers have to pass, or nil where everybody
// may and nothing is recorded.
func (a *App) startAccess(cfg *Config, registry prometheus.Registerer) (*access, error) {
	s := &cfg.Security
	if !s.APIAuthentication && !s.AuditLogging {
		return nil, nil
	}
	policy, err := s.policy()
	if err != nil {
		return nil, &ConfigError{err}
	}
	out := newAccess(strings.HasPrefix(a.externalURL, "https://"), a.logger, registry)
	var store *auth.Store
	var runs []func(context.Context)
	if cfg.command != CommandExporter {
		if store, err = auth.Open(context.Background(), cfg.databaseFile()); err != nil {
			return nil, &ConfigError{err}
		}
	}
	if s.APIAuthentication {
		out.guard = auth.NewGuard(auth.Config{
			Store: store, File: a.port.web.users, Policy: policy, SessionLifetime: s.SessionLifetime, Logger: a.logger,
		})
		runs = append(runs, out.guard.Run)
		a.reloader.permit = out.guard.SetPolicy
	}
	if s.AuditLogging && store != nil {
		out.auditor = auth.NewAuditor(store, a.logger, s.AuditRetention)
		runs = append(runs, out.auditor.Run)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range runs {
		running.Go(func() { run(ctx) })
	}
	a.onStop("access control", func() error {
		cancel()
		running.Wait()
		if store == nil {
			return nil
		}

		return store.Close()
	})

	return out, a.letFirstAdminIn(ctx, cfg, store)
}

// door is access as the bridge takes it: none where there is none.
func (a *access) door() bridge.Access {
	if a == nil {
		return nil
	}

	return a
}

// checks are what health looks at.
func (a *access) checks() []bridge.Check {
	if a == nil || a.auditor == nil {
		return nil
	}

	return []bridge.Check{{Name: "audit", Run: a.auditor.Failure}}
}
