package logstore

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/disk"
)

// Config says where a store lies and how much it keeps.
type Config struct {
	// Dir is made where it is missing. One process uses it at a time.
	Dir string
	// RetentionTime is how long entries are kept, by their own time; 0 is forever.
	RetentionTime time.Duration
	// RetentionSize bounds the bytes on disk; the oldest go first. 0 is no bound.
	RetentionSize int64
	// Cipher seals whatever holds anything of the entries; nil is none.
	Cipher     block.Cipher
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Now is time.Now where it is nil.
	Now func() time.Time
	// Rest gives memory back to the system; it is called when the store comes to rest
	// after much was kept. debug.FreeOSMemory where it is nil.
	Rest func()

	// fs takes the place of Dir in tests.
	fs disk.FS
	// headRows is how many entries are gathered before they are sealed, headRows
	// by default; tests gather fewer.
	headRows int
	// tick is how often the maintainer looks for something to do.
	tick time.Duration
}

// LeastRetentionSize is the least that RetentionSize may be: the write-ahead log
// and a block must fit.
const LeastRetentionSize = 16 << 20

// Validate names what is wrong.
func (c *Config) Validate() error {
	switch {
	case c.Dir == "" && c.fs == nil:
		return errors.New("log store: the directory must be named")
	case c.RetentionTime < 0:
		return fmt.Errorf("log store: the retention time must not be negative, got %s", c.RetentionTime)
	case c.RetentionSize < 0 || c.RetentionSize > 0 && c.RetentionSize < LeastRetentionSize && c.fs == nil:
		return fmt.Errorf("log store: the retention size must be 0 (no bound) or at least %d bytes, got %d", LeastRetentionSize, c.RetentionSize)
	}

	return nil
}

func (c *Config) defaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rest == nil {
		c.Rest = debug.FreeOSMemory
	}
	if c.headRows == 0 {
		c.headRows = headRows
	}
	if c.tick == 0 {
		c.tick = time.Second
	}
}

// What a caller may tell apart.
var (
	// ErrUnavailable says that the store cannot keep data now; it tries again by
	// itself.
	ErrUnavailable = errors.New("the log store cannot keep data now")
	// ErrTooLarge says that a batch, or an entry of it, is larger than the store
	// takes.
	ErrTooLarge = errors.New("too large for the log store")
	// ErrClosed says that the store is closed.
	ErrClosed = errors.New("the log store is closed")
	// ErrNotFound says that there is no entry at a position.
	ErrNotFound = errors.New("there is no such log entry")
	// ErrNewer says that a newer version wrote the directory.
	ErrNewer = errors.New("the log store was written by a newer version")
)

// MaxBatchBytes is the most that the texts of one batch may have, MaxEntryBytes the
// most that those of one entry may, names included.
const (
	MaxBatchBytes = 64 << 20
	MaxEntryBytes = 16 << 20
)
