package database

import (
	"database/sql"
	"os"
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
		for range 4 {
			all.Go(func() { open(t, path, schema("one", `CREATE TABLE a (x)`, `CREATE TABLE b (x)`)) })
		}
		all.Wait()
	})
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
