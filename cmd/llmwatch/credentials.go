package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"llmwatch/internal/app"
	"llmwatch/internal/auth"
)

// dataFlags say whose tokens, users and audit trail are meant.
type dataFlags struct {
	DataDir string `env:"LLMWATCH_SERVER_DATA_DIR" default:"data" help:"Data directory of the llmwatch that is meant; it may be running." placeholder:"DIR"`
	DBPath  string `name:"db-path" env:"LLMWATCH_ALERTS_DB_PATH" help:"Its database, where alerts.db_path names another than llmwatch.db in the data directory." placeholder:"FILE"`
}

// open opens the store; create makes the data directory where there is none.
func (f *dataFlags) open(ctx context.Context, create bool) (*auth.Store, error) {
	path := cmp.Or(f.DBPath, filepath.Join(f.DataDir, app.DatabaseFile))
	if create {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return nil, fmt.Errorf("the data directory %s cannot be made: %w", filepath.Dir(path), err)
		}
	} else if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s: --data-dir names the data directory of llmwatch", path)
	}

	return auth.Open(ctx, path)
}

// with does something with the store.
func (f *dataFlags) with(ctx context.Context, create bool, do func(*auth.Store) error) error {
	store, err := f.open(ctx, create)
	if err != nil {
		return err
	}

	return errors.Join(do(store), store.Close())
}

// change does something that the audit trail has to tell of, whatever comes of
// it.
func (f *dataFlags) change(ctx context.Context, create bool, action, target string, do func(*auth.Store) error) error {
	return f.with(ctx, create, func(store *auth.Store) error {
		err := do(store)
		e := auth.Entry{
			At: auth.Time{Time: time.Now()}, Actor: localUser(), Kind: auth.KindLocal,
			Action: action, Target: target, Outcome: auth.OutcomeOK,
		}
		if err != nil {
			e.Outcome = auth.OutcomeFailed
		}
		_, auditErr := store.Append(context.WithoutCancel(ctx), e)

		return errors.Join(err, auditErr)
	})
}

// localUser is who sits at the command line.
func localUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}

	return cmp.Or(os.Getenv("USER"), fmt.Sprintf("uid %d", os.Getuid()))
}

// printJSON prints a value for programs.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")

	return encoder.Encode(v)
}

// shownTime is a time in a table.
func shownTime(t time.Time, zero string) string {
	if t.IsZero() {
		return zero
	}

	return t.Local().Format(time.DateTime)
}

// parseRole makes a wrong role a wrong use.
func parseRole(s string) (auth.Role, error) {
	role, err := auth.ParseRole(s)
	if err != nil {
		return "", &app.ConfigError{Err: fmt.Errorf("--role: %w", err)}
	}

	return role, nil
}
