package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"llmwatch/bridge/logintake/jsonlines"
	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
	"llmwatch/logship"
	"llmwatch/logship/tail"
)

// followFiles keeps the lines of the configured log files.
func (a *App) followFiles(cfg *Config, store *logstore.Store) error {
	if len(cfg.Logs.Files) == 0 {
		return nil
	}
	checkpoint := filepath.Join(cfg.logsDir(), "followed", "checkpoint")
	if err := os.MkdirAll(filepath.Dir(checkpoint), 0o700); err != nil {
		return configErrorf("the directory of the checkpoint of logs.files cannot be made: %w", err)
	}
	follower, err := tail.New(tail.Options{
		Files: cfg.Logs.Files, Checkpoint: checkpoint, Cipher: a.logCipher(), Logger: a.logger.With("component", "files"),
		Sink: &fileSink{store, jsonlines.New(logship.NewRedactor())},
	})
	if err != nil {
		return configErrorf("logs.files: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- follower.Run(ctx) }()
	a.onStop("log files", func() error {
		cancel()

		return <-ended
	})

	return nil
}

// fileSink keeps what is followed in files.
type fileSink struct {
	store  *logstore.Store
	format *jsonlines.Format
}

// Deliver implements logship.Sink.
func (s *fileSink) Deliver(ctx context.Context, b logship.Batch) error {
	var read batchSink
	if err := s.format.Read(bytes.NewReader(b.Lines), time.Now(), &read); err != nil {
		return err
	}
	if read.batch.Len() == 0 {
		return nil
	}
	_, err := s.store.AppendOnce(ctx, b.Client, b.Number, &read.batch)
	if errors.Is(err, logstore.ErrTooLarge) {
		return fmt.Errorf("%w: %w", logship.ErrTooLarge, err)
	}

	return err
}

// batchSink gathers what a format reads. Lines that it rejects are left out, as
// POST /logs leaves them out: they say that they are older than 1970, or are
// nested beyond all bounds.
type batchSink struct{ batch entry.Batch }

// Add implements logintake.Sink.
func (s *batchSink) Add(e *entry.Entry, _ int) error {
	s.batch.Add(e)

	return nil
}

// Reject implements logintake.Sink.
func (*batchSink) Reject(int, string) {}
