package database

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

func schema(component string, scripts ...string) Schema {
	files := fstest.MapFS{}
	for i, script := range scripts {
		files["migrations/"+string(rune('1'+i))+".sql"] = &fstest.MapFile{Data: []byte(script)}
	}

	return Schema{Component: component, Migrations: files}
}

func open(t *testing.T, path string, s Schema) *DB {
	t.Helper()

	db, err := Open(t.Context(), path, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})

	return db
}

func TestPartsShareAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "llmwatch.db")
	one := open(t, path, schema("one", `CREATE TABLE ones (x)`, `INSERT INTO ones VALUES (1)`))
	open(t, path, schema("two", `CREATE TABLE twos (x)`))
	open(t, path, schema("one", `CREATE TABLE ones (x)`, `INSERT INTO ones VALUES (1)`)) // Applied once.
	all, err := Collect(t.Context(), one.Read, func(rows *sql.Rows) (x int, err error) { return x, rows.Scan(&x) }, `SELECT x FROM ones`)
	if err != nil || len(all) != 1 {
		t.Errorf("rows %v, error %v; want one", all, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, error %v; want it for its owner alone", info.Mode(), err)
	}
	if _, err := one.Read.ExecContext(t.Context(), `DELETE FROM ones`); err == nil {
		t.Error("a reader may write")
	}
}

func TestMigrations(t *testing.T) {
	t.Run("a newer database is refused", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "llmwatch.db")
		open(t, path, schema("one", `CREATE TABLE a (x)`, `CREATE TABLE b (x)`))
		if _, err := Open(t.Context(), path, schema("one", `CREATE TABLE a (x)`)); err == nil || !strings.Contains(err.Error(), "run the newer llmwatch") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("one that fails leaves nothing behind", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "llmwatch.db")
		if _, err := Open(t.Context(), path, schema("one", `CREATE TABLE a (x)`, `CREATE TABLE b (x); nonsense`)); err == nil || !strings.Contains(err.Error(), "apply migrations/2.sql") {
			t.Errorf("error %v, want one that names the migration", err)
		}
		open(t, path, schema("one", `CREATE TABLE a (x)`, `CREATE TABLE b (x)`))
	})
	t.Run("several at once", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "llmwatch.db")
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() { open(t, path, twoTables()) })
		}
		all.Wait()
	})
}

func twoTables() Schema { return schema("one", `CREATE TABLE a (x)`, `CREATE TABLE b (x)`) }

// openedByEnv has the test open this file and end, as a process among others.
const openedByEnv = "LLMWATCH_TEST_DATABASE"

func TestOpenBySeveralProcessesWaits(t *testing.T) {
	if path := os.Getenv(openedByEnv); path != "" {
		open(t, path, twoTables())
		return
	}
	path := filepath.Join(t.TempDir(), "llmwatch.db")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			process := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
			process.Env = append(os.Environ(), openedByEnv+"="+path)
			if out, err := process.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	open(t, path, twoTables())
}

// Whoever is about to write to a file that is not in WAL mode yet keeps it from
// becoming so.
func TestOpenWaitsForAWriterOfANewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "llmwatch.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	writer, err := Connect(path, 1, "_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := writer.Close(); err != nil {
			t.Error(err)
		}
	})
	tx, err := writer.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		db, err := Open(context.Background(), path, twoTables())
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "llmwatch.db")
	open(t, path, twoTables())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, path, twoTables()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestTimesOfColumns(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 5e6, time.UTC)
	if got := Moment(Millis(at)); !got.Equal(at) {
		t.Errorf("%s becomes %s", at, got)
	}
	if got := Moment(Millis(time.Time{})); !got.IsZero() {
		t.Errorf("no time becomes %s", got)
	}
}
