package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
	"llmwatch/bridge/ruleset"
	"llmwatch/internal/engine"
	"llmwatch/internal/outgoing"
	"llmwatch/rules"
)

// newRules makes the alert rules of default and stored ones.
func (a *App) newRules(store alert.RuleStore, checkExpr func(string) error, load func(context.Context, map[string][]byte) error) (*ruleset.Set, error) {
	return ruleset.New(ruleset.Config{
		Store:     store,
		Defaults:  rules.Files,
		CheckExpr: checkExpr,
		CheckFile: engine.CheckRules,
		Load:      load,
		Logger:    a.logger.With("component", "rules"),
	})
}

// engineRules are the rule files of the embedded engine.
type engineRules struct {
	files  atomic.Pointer[map[string][]byte]
	engine atomic.Pointer[engine.Engine]
}

// current returns the files that the engine is to load.
func (e *engineRules) current() map[string][]byte { return *e.files.Load() }

// load has the engine load files; one that is not there yet does when it starts.
func (e *engineRules) load(_ context.Context, files map[string][]byte) error {
	before := e.files.Swap(&files)
	eng := e.engine.Load()
	if eng == nil {
		return nil
	}
	if err := eng.ReloadRules(); err != nil {
		e.files.Store(before)
		return err
	}

	return nil
}

// startFolderRules keeps the rules in the folder of an external server, where
// there is one. The server need not answer yet.
func (a *App) startFolderRules(cfg *Config, store alert.RuleStore) (*ruleset.Set, error) {
	folder := &ruleFolder{dir: cfg.Prometheus.RulesDir, reloadURL: strings.TrimSuffix(cfg.Prometheus.URL, "/") + "/-/reload"}
	set, err := a.newRules(store, engine.CheckExpr, folder.load)
	if err != nil || cfg.Prometheus.RulesDir == "" {
		return set, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.loadUntilTaken(ctx, set, cfg.Alerts.CheckInterval)
	}()
	a.onStop("rules", func() error {
		cancel()
		<-done

		return nil
	})

	return set, nil
}

// loadUntilTaken loads the rules until the server has taken them once; from then
// on each change sees to itself.
func (a *App) loadUntilTaken(ctx context.Context, set *ruleset.Set, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for failed := false; ; {
		err := set.Load(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if !failed {
			a.logger.WarnContext(ctx, "the rules are not loaded yet; it is tried again every check interval", "err", err)
		}
		failed = true
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ruleFolder gives rules to an external Prometheus server: as files in a folder
// that it reads, and a request to read them.
type ruleFolder struct {
	dir       string
	reloadURL string
}

// folderPrefix begins the names of the files that are llmwatch's in the folder;
// it leaves all others alone.
const folderPrefix = "llmwatch-"

// reloadTimeout is how long the server may take to load its rules.
const reloadTimeout = 30 * time.Second

// load writes the files and has the server load them. What the server refuses
// is taken back: with a bad file in the folder it would not even start again.
func (f *ruleFolder) load(ctx context.Context, files map[string][]byte) error {
	if f.dir == "" {
		return fmt.Errorf("%w: this llmwatch was not told into which folder the metrics server's rules belong (--rules-dir)", ruleset.ErrReadOnly)
	}
	before, err := f.read()
	if err != nil {
		return err
	}
	err = f.write(before, files)
	if err == nil {
		err = f.reload(ctx)
	}
	if err == nil {
		return nil
	}
	if back := f.write(files, before); back != nil {
		return errors.Join(err, fmt.Errorf("taking the rules back failed too: %w", back))
	}
	if refused := (*refusedReload)(nil); errors.As(err, &refused) {
		// It may have loaded some of it.
		return errors.Join(err, f.reload(context.WithoutCancel(ctx)))
	}

	return err
}

// read returns what is llmwatch's in the folder, by name without the prefix.
func (f *ruleFolder) read() (map[string][]byte, error) {
	paths, err := filepath.Glob(filepath.Join(f.dir, folderPrefix+"*.yml"))
	if err != nil {
		return nil, fmt.Errorf("listing the rules folder: %w", err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading the rules folder: %w", err)
		}
		files[strings.TrimPrefix(filepath.Base(path), folderPrefix)] = content
	}

	return files, nil
}

// write makes the folder hold files where it may hold those of before.
func (f *ruleFolder) write(before, files map[string][]byte) error {
	for name, content := range files {
		if was, ok := before[name]; ok && bytes.Equal(was, content) {
			continue
		}
		if err := f.writeFile(f.path(name), content); err != nil {
			return fmt.Errorf("writing the rules folder: %w", err)
		}
	}
	for name := range before {
		if _, kept := files[name]; kept {
			continue
		}
		if err := os.Remove(f.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing from the rules folder: %w", err)
		}
	}

	return nil
}

func (f *ruleFolder) path(name string) string { return filepath.Join(f.dir, folderPrefix+name) }

// writeFile replaces a file at once, so that the server never reads half of it.
// The server may be another user.
func (f *ruleFolder) writeFile(path string, content []byte) error {
	temp, err := os.CreateTemp(f.dir, "."+folderPrefix+"*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // It is gone once it was renamed.
	_, err = temp.Write(content)
	if err := errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return err
	}

	return os.Rename(temp.Name(), path)
}

// refusedReload is a server's answer to the request to load its rules.
type refusedReload struct {
	status string
	words  string
}

func (e *refusedReload) Error() string {
	return fmt.Sprintf("the metrics server answered %s to /-/reload: %s", e.status, e.words)
}

// reload asks the server to load its rules.
func (f *ruleFolder) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.reloadURL, http.NoBody)
	if err != nil {
		return fmt.Errorf("asking the metrics server to reload: %w", err)
	}
	resp, err := (&http.Client{CheckRedirect: outgoing.CheckRedirect}).Do(req)
	if err != nil {
		return fmt.Errorf("asking the metrics server to reload: %w", err)
	}
	defer resp.Body.Close()
	const most = 8 << 10 // Much less is shown, and no half of a secret.
	words, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return fmt.Errorf("asking the metrics server to reload: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		scrub := notify.NewScrubber(notify.URLPassword(f.reloadURL)...)

		return &refusedReload{resp.Status, scrub.Text(string(words))}
	}

	return nil
}
