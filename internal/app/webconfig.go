package app

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
	"golang.org/x/time/rate"

	"llmwatch/bridge"
	"llmwatch/internal/gate"
)

// webConfig is a web configuration file, in the format that Prometheus and its
// exporters have.
type webConfig struct {
	// tls is nil without TLS. Certificate and key are read again for each
	// connection, the rest once.
	tls *tls.Config
	// users are bcrypt hashes by name.
	users   map[string]string
	headers map[string]string
	http2   bool
	limit   *rate.Limiter // Nil for none.
}

// loadWebConfig reads a file, or returns what holds without one.
func loadWebConfig(path string) (*webConfig, error) {
	c := &webConfig{http2: true}
	if path == "" {
		return c, nil
	}
	if err := web.Validate(path); err != nil {
		return nil, fmt.Errorf("security.web_config_file %s: %w", path, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("security.web_config_file: %w", err)
	}
	file := web.Config{
		TLSConfig:  web.TLSConfig{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13},
		HTTPConfig: web.HTTPConfig{HTTP2: true},
	}
	if err := yaml.NewDecoder(bytes.NewReader(content)).Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("security.web_config_file %s: %w", path, err)
	}
	c.http2, c.headers = file.HTTPConfig.HTTP2, file.HTTPConfig.Header
	if len(file.Users) > 0 {
		c.users = make(map[string]string, len(file.Users))
		for name, hash := range file.Users {
			c.users[name] = string(hash)
		}
	}
	if every := file.RateLimiterConfig.Interval; every > 0 {
		c.limit = rate.NewLimiter(rate.Every(every), file.RateLimiterConfig.Burst)
	}
	if !file.TLSConfig.IsEnabled() {
		return c, nil
	}
	file.TLSConfig.SetDirectory(filepath.Dir(path))
	if c.tls, err = web.ConfigToTLSConfig(&file.TLSConfig); err != nil {
		return nil, fmt.Errorf("security.web_config_file %s: %w", path, err)
	}

	return c, nil
}

// secured reports whether the file alone keeps strangers out: they need a
// certificate.
func (c *webConfig) secured() bool {
	return c.tls != nil && c.tls.ClientAuth == tls.RequireAndVerifyClientCert
}

// apply prepares a server for TLS, and adds the headers of the file.
func (c *webConfig) apply(server *http.Server) {
	server.TLSConfig = c.tls
	if c.tls != nil && !c.http2 {
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	next := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range c.headers {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}

// limited refuses requests beyond the limit of the file, and has them counted.
func (c *webConfig) limited(next http.Handler, count func(gate.Refusal)) http.Handler {
	if c.limit == nil {
		return next
	}

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.limit.Allow() {
			count(gate.TooFast)
			w.Header().Set("Retry-After", fmt.Sprintf("%.0f", max(1, time.Duration(float64(time.Second)/float64(c.limit.Limit())).Seconds())))
			bridge.WriteError(w, &bridge.Error{
				Status: http.StatusTooManyRequests, Code: bridge.CodeTooMany,
				Message: "there are more requests than the rate_limit of the web configuration file allows",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}
