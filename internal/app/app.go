package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"llmwatch/internal/gate"
	"llmwatch/internal/seal"
)

// App is one running command. Run may be called once.
type App struct {
	logger *slog.Logger
	port   *port
	gate   *gate.Gate
	keys   *seal.Keys // Of everything that is encrypted on disk, nil where nothing is.
	// externalURL is how people reach this llmwatch, without a slash at the end.
	externalURL string
	// installation tells this llmwatch from others in what it sends.
	installation string
	reloader     *reloader
	start        func(a *App) error // Starts the parts and sets the port's handler.
	ready        chan struct{}      // Closed when all parts run.
	stops        []stop
}

// stop ends one part.
type stop struct {
	name string
	end  func() error
}

// newApp opens the port for a command whose configuration has been checked.
func newApp(cfg *Config, logger *slog.Logger, start func(a *App) error) (*App, error) {
	web, err := loadWebConfig(cfg.Security.WebConfigFile)
	if err != nil {
		return nil, &ConfigError{err}
	}
	keys, err := cfg.keys()
	if err != nil {
		return nil, &ConfigError{err}
	}
	g := cfg.newGate()
	p, err := listen(cfg.Server.Listen, web, g, logger)
	if err != nil {
		return nil, err
	}

	external := strings.TrimSuffix(cfg.Server.ExternalURL, "/")
	if external == "" {
		external = p.scheme() + "://" + p.listener.Addr().String()
	}

	return &App{
		logger: logger, port: p, gate: g, keys: keys, externalURL: external, reloader: newReloader(cfg, logger), start: start, ready: make(chan struct{}),
	}, nil
}

// Addr is the address that the port is open on.
func (a *App) Addr() net.Addr { return a.port.listener.Addr() }

// onStop registers how a part that has just been started is ended. Parts are
// ended in reverse order.
func (a *App) onStop(name string, end func() error) {
	a.stops = append(a.stops, stop{name, end})
}

// Run serves until the context ends or the port fails, then stops every part.
func (a *App) Run(ctx context.Context) error {
	begin := time.Now()
	a.onStop("memory", keepSmall(a.logger))
	go a.port.serve()
	err := a.start(a)
	// The port is opened first but closed first too: it is the door for what
	// the other parts would still have to answer.
	a.onStop("http", a.port.close)
	if err == nil {
		close(a.ready)
		a.logger.InfoContext(ctx, "ready", "address", a.Addr().String(), "took_ms", time.Since(begin).Milliseconds())
		select {
		case <-ctx.Done():
		case err = <-a.port.failed:
		}
		a.logger.InfoContext(ctx, "stopping")
	}

	return errors.Join(err, a.stop())
}

func (a *App) stop() error {
	var errs []error
	for _, part := range slices.Backward(a.stops) {
		if err := part.end(); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", part.name, err))
		}
	}

	return errors.Join(errs...)
}
