package app

import (
	"log/slog"
	"os"
	"runtime/debug"
	"time"
)

// gcPercent trades a little processor time for memory: at rest the collector
// has next to nothing to do, and half the garbage is kept.
const gcPercent = 50

// startupOver is when everything that only the start needs has run, the
// engine's warm-up included.
const startupOver = 10 * time.Second

// keepSmall bounds the memory of a long-lived process. It returns what ends it.
func keepSmall(logger *slog.Logger) (stop func() error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	timer := time.AfterFunc(startupOver, func() { giveBack(logger) })

	return func() error {
		timer.Stop()
		return nil
	}
}

// giveBack returns to the system what is not needed for now.
func giveBack(logger *slog.Logger) {
	debug.FreeOSMemory()
	if err := forgetStartup(); err != nil {
		logger.Debug("pages of the executable were not given back", "err", err)
	}
}
