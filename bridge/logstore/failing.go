package logstore

import (
	"errors"
	"log/slog"
	"sync"
	"syscall"
)

// failing is why the store cannot keep data now.
type failing struct {
	mu     sync.Mutex
	append error
	seal   error
}

// change sets one of the two and reports what of it is news.
func (f *failing) change(at *error, err error) (began, ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := *at
	*at = err

	return err != nil && (before == nil || before.Error() != err.Error()), err == nil && before != nil
}

func (f *failing) setAppending(log *slog.Logger, err error) {
	switch began, ended := f.change(&f.append, err); {
	case began:
		log.Error("the log store cannot append; it tries again", "error", err)
	case ended:
		log.Info("the log store can append again")
	}
}

func (f *failing) setSealing(log *slog.Logger, err error) {
	switch began, ended := f.change(&f.seal, err); {
	case began:
		log.Error("the log store cannot seal; it tries again", "error", err)
	case ended:
		log.Info("the log store can seal again")
	}
}

func (f *failing) appending() error {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.append
}

func (f *failing) sealing() error {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.seal
}

// Health is nil where the store can keep data, and otherwise says why not. The
// store tries again by itself.
func (s *Store) Health() error {
	if err := errors.Join(s.failing.appending(), s.failing.sealing()); err != nil {
		return wrap("keep data", err)
	}

	return nil
}

// isIOError reports whether the device failed to read.
func isIOError(err error) bool { return errors.Is(err, syscall.EIO) }
