package tail

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"llmwatch/logship"
)

// The defaults of [Options].
const (
	DefaultMaxEntryBytes = 512 << 10
	DefaultMaxEntryLines = 500
	DefaultQuiet         = time.Second
	DefaultPoll          = 250 * time.Millisecond
	DefaultBatchBytes    = 2 << 20

	// MaxBatchBytes bounds a batch whatever is in it.
	MaxBatchBytes = 8 << 20

	// An entry may be six times as long in JSON, and has to fit into a batch that is
	// not full yet.
	maxEntryBytes = 512 << 10
	maxFullBytes  = 4 << 20
)

// Options configure a [Follower]. Files, Checkpoint and Sink are needed.
type Options struct {
	// Files are paths or patterns as of filepath.Match. Rotated files should match
	// too, so that none is missed: app.log*. Compressed ones are left out.
	Files []string

	// Checkpoint is the path of the file that remembers what has been read. Beside
	// it there are one more file while it is written, and a lock.
	Checkpoint string

	// Cipher seals the checkpoint, which holds lines in flight; nil is none. An open
	// one from before is read, and sealed when it is next written.
	Cipher Cipher

	// Sink takes the batches.
	Sink logship.Sink

	// FromStart reads what is already in files that were never followed before.
	FromStart bool

	// Redactor replaces secrets. Nil is one for the documented names.
	Redactor *logship.Redactor

	// Continuation tells lines that belong to the one before. Nil is
	// DefaultContinuation. NoJoin makes each line an entry.
	Continuation *regexp.Regexp
	NoJoin       bool

	// MaxEntryBytes, up to 512 KiB, and MaxEntryLines bound an entry.
	MaxEntryBytes, MaxEntryLines int

	// Quiet is how long an entry waits for lines that may belong to it.
	Quiet time.Duration

	// Poll is the time between two looks at the files.
	Poll time.Duration

	// BatchBytes is when a batch is full, up to 4 MiB.
	BatchBytes int

	// Logger is told what becomes of files and batches. Nil is silent.
	Logger *slog.Logger
}

// Follower follows files. Get one from [New] and give it its goroutine with Run.
type Follower struct {
	options Options
	log     *slog.Logger
	split   splitter
	encode  encoder
	lock    *os.File

	// What follows belongs to the goroutine of Run.
	patterns []pattern
	files    []*file
	byID     map[identity]*file
	reported map[string]string // What was last said of a path.
	client   string
	next     uint64 // The number of the batch in flight, or of the next one.
	lines    []byte // In flight; empty if nothing is.
	part     int    // How much of it is batch next.
	limit    int    // When a batch is full.
	dirty    bool   // The checkpoint does not say what is so.
	buf      []byte
	scratch  []byte
	turn     int // Which file is read first.

	mu    sync.Mutex
	stats Stats // Guarded by mu.
}

// pattern is one of Options.Files.
type pattern struct {
	text  string
	fresh bool // It is followed for the first time.
}

// New opens the checkpoint, which no other process may use meanwhile. A Follower
// that is not going to be Run has to be closed.
func New(options Options) (*Follower, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	f := &Follower{
		options: options, log: options.Logger, limit: options.BatchBytes,
		split:    splitter{options.MaxEntryBytes, options.MaxEntryLines, options.Continuation},
		encode:   encoder{redactor: options.Redactor, zone: time.Local},
		byID:     map[identity]*file{},
		reported: map[string]string{},
		buf:      make([]byte, windowBytes+max(1<<20, 2*options.MaxEntryBytes)),
	}
	var err error
	if f.lock, err = lockCheckpoint(options.Checkpoint); err != nil {
		return nil, err
	}
	if err := f.restore(); err != nil {
		return nil, errors.Join(err, f.Close())
	}

	return f, nil
}

// Validate returns what is wrong with the options.
func (o *Options) Validate() error {
	var problems []error
	if len(o.Files) == 0 || o.Checkpoint == "" || o.Sink == nil {
		problems = append(problems, errors.New("following files needs files, a checkpoint and a sink"))
	}
	for _, name := range o.Files {
		if _, err := filepath.Match(name, ""); err != nil || name == "" {
			problems = append(problems, fmt.Errorf("%q is not a path or pattern of files", name))
		}
	}
	if o.MaxEntryBytes < 0 || o.MaxEntryBytes > maxEntryBytes {
		problems = append(problems, fmt.Errorf("an entry may have from 1 to %d bytes, got %d", maxEntryBytes, o.MaxEntryBytes))
	}
	if o.BatchBytes < 0 || o.BatchBytes > maxFullBytes {
		problems = append(problems, fmt.Errorf("a batch may be full at 1 to %d bytes, got %d", maxFullBytes, o.BatchBytes))
	}
	if o.MaxEntryLines < 0 || o.Quiet < 0 || o.Poll < 0 {
		problems = append(problems, errors.New("the lines of an entry, and the times to wait and to poll, must be more than 0"))
	}

	return errors.Join(problems...)
}

// complete checks the options and sets what was left open.
func (o *Options) complete() error {
	if err := o.Validate(); err != nil {
		return err
	}
	o.Files = slices.Clone(o.Files)
	for i, name := range o.Files {
		path, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		o.Files[i] = path
	}
	defaultTo(&o.MaxEntryBytes, DefaultMaxEntryBytes)
	defaultTo(&o.MaxEntryLines, DefaultMaxEntryLines)
	defaultTo(&o.BatchBytes, DefaultBatchBytes)
	defaultTo(&o.Quiet, DefaultQuiet)
	defaultTo(&o.Poll, DefaultPoll)
	if o.Continuation == nil {
		o.Continuation = DefaultContinuation
	}
	if o.NoJoin {
		o.Continuation = nil
	}
	if o.Redactor == nil {
		o.Redactor = logship.NewRedactor()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}

	return nil
}

func defaultTo[T int | time.Duration](value *T, otherwise T) {
	if *value == 0 {
		*value = otherwise
	}
}

// restore takes over what an earlier process left.
func (f *Follower) restore() error {
	s, err := load(f.options.Checkpoint, f.options.Cipher)
	if err != nil {
		return err
	}
	if s == nil {
		s = &state{Client: newClient(), Next: 1}
		f.dirty = true
	}
	f.client, f.next, f.lines, f.part = s.Client, s.Next, s.Lines, s.Part
	for _, name := range f.options.Files {
		f.patterns = append(f.patterns, pattern{name, !slices.Contains(s.Patterns, name)})
	}
	// A file that was followed before must not be taken for a new one because a new
	// pattern matches it as well.
	slices.SortStableFunc(f.patterns, func(a, b pattern) int {
		switch {
		case a.fresh == b.fresh:
			return 0
		case a.fresh:
			return 1
		default:
			return -1
		}
	})
	for _, w := range s.Files {
		t := &file{
			identity: w.identity, born: w.Born, path: w.Path, current: w.Current, label: newLabel(w.Path),
			at: w.At, past: w.Past, copy: w.Copy, judged: true, seen: w.Seen,
		}
		f.files = append(f.files, t)
		f.byID[t.identity] = t
	}

	return nil
}

// newClient makes an id that no other follower has.
func newClient() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	host = strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '.' || r == '_' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return r
		}

		return '-'
	}, host[:min(len(host), 40)])
	unique := make([]byte, 8)
	_, _ = rand.Read(unique) // It never fails.

	return host + "-" + hex.EncodeToString(unique)
}

// save writes the checkpoint: the positions, and what is in flight.
func (f *Follower) save() error {
	s := &state{Client: f.client, Next: f.next, Part: f.part, Lines: f.lines, Files: []saved{}}
	for _, p := range f.patterns {
		if !p.fresh {
			s.Patterns = append(s.Patterns, p.text)
		}
	}
	for _, t := range f.files {
		// What is not judged yet will be met again as a new file.
		if t.judged {
			s.Files = append(s.Files, saved{
				identity: t.identity, Born: t.born, Path: t.path, Current: t.current, Seen: t.seen,
				At: t.at, Past: t.past, Copy: t.copy,
			})
		}
	}
	if err := s.store(f.options.Checkpoint, f.options.Cipher); err != nil {
		return err
	}
	f.dirty = false

	return nil
}

// Close gives up files and checkpoint. Run does it too.
func (f *Follower) Close() error {
	for _, t := range f.files {
		t.close()
	}
	f.files = nil

	return f.lock.Close()
}
