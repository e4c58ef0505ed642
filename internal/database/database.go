// Package database opens the SQLite file that several parts of llmwatch keep
// their tables in, each with ordered migrations of its own.
//
// It must not know what any table means.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite" // The driver registers itself as "sqlite".
	sqlite3 "modernc.org/sqlite/lib"
)

// readers bounds the connections that read.
const readers = 4

// DB is one part's door to the file.
type DB struct {
	// Write has one connection: SQLite takes one writer at a time, and waiting
	// here is fair, unlike in the database.
	Write *sql.DB
	// Read cannot write.
	Read *sql.DB
}

// Schema is what a part keeps in the file.
type Schema struct {
	// Component is the part's name in the table of schema versions.
	Component string
	// Migrations holds migrations/*.sql, applied in the order of their names.
	Migrations fs.FS
}

// Open opens the database in that file, creates it where it does not exist, and
// brings the part's schema up to date. A database of a newer llmwatch is refused.
func Open(ctx context.Context, path string, schema Schema) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the %s database: %w", schema.Component, err)
	}
	// What it holds is for its owner alone. SQLite gives the files beside it the
	// same permissions.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("create the %s database: %w", schema.Component, err)
	}
	// In WAL mode synchronous=FULL syncs the log once a commit, so that what was
	// told to a person or a source as kept survives a loss of power.
	write, err := Connect(path, 1, "_txlock=immediate", "_pragma=journal_mode(WAL)", "_pragma=synchronous(FULL)")
	if err != nil {
		return nil, fmt.Errorf("open the %s database %s: %w", schema.Component, path, err)
	}
	if err := prepare(ctx, write, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the %s database %s: %w", schema.Component, path, err), write.Close())
	}
	read, err := Connect(path, readers, "_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the %s database %s: %w", schema.Component, path, err), write.Close())
	}

	return &DB{Write: write, Read: read}, nil
}

// Connect opens a file that exists, whatever its schema, with options of the
// driver.
func Connect(path string, connections int, options ...string) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(5000)"}
	for _, o := range options {
		dsn.RawQuery += "&" + o
	}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)

	return db, nil
}

// Close releases the database. Nothing may use it any more.
func (db *DB) Close() error { return errors.Join(db.Read.Close(), db.Write.Close()) }

// Update keeps all that do writes, or nothing where it fails.
func (db *DB) Update(ctx context.Context, do func(tx *sql.Tx) error) error {
	return inTransaction(ctx, db.Write, do)
}

// openPatience is how long opening waits for other processes that open the file or
// write to it, openPause the longest time between two looks.
const (
	openPatience = 30 * time.Second
	openPause    = 50 * time.Millisecond
)

// prepare brings the schema up to date, and waits for others who are at it. The
// change of a new file to WAL mode takes the file alone, and SQLite does not apply
// its busy_timeout to that: whoever comes second is refused at once.
func prepare(ctx context.Context, db *sql.DB, schema Schema) error {
	begin := time.Now()
	for pause := time.Millisecond; ; pause = min(2*pause, openPause) {
		err := migrate(ctx, db, schema)
		if !isBusy(err) {
			return err
		}
		if waited := time.Since(begin); waited > openPatience {
			return fmt.Errorf("other processes have kept it locked for %s: %w", waited.Round(time.Second), err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// isBusy reports whether SQLite refused something because of other processes.
func isBusy(err error) bool {
	var refused *sqlite.Error
	if !errors.As(err, &refused) {
		return false
	}
	primary := refused.Code() & 0xff // The rest says more of the same.

	return primary == sqlite3.SQLITE_BUSY || primary == sqlite3.SQLITE_PROTOCOL
}

// migrate applies the migrations that the database lacks, each in a transaction
// of its own together with the version it leads to.
func migrate(ctx context.Context, db *sql.DB, schema Schema) error {
	if _, err := db.ExecContext(ctx,
		`CREATE TABLE IF NOT EXISTS schema_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT`); err != nil {
		return fmt.Errorf("create the table of schema versions: %w", err)
	}
	names, err := fs.Glob(schema.Migrations, "migrations/*.sql") // In the order of their numbers.
	if err != nil {
		return err
	}
	for {
		done, err := migrateOnce(ctx, db, schema, names)
		if err != nil || done {
			return err
		}
	}
}

// migrateOnce applies the next migration. The version is read in the same
// transaction, since another process may be at it too.
func migrateOnce(ctx context.Context, db *sql.DB, schema Schema, names []string) (done bool, err error) {
	err = inTransaction(ctx, db, func(tx *sql.Tx) error {
		var version int
		row := tx.QueryRowContext(ctx, `SELECT version FROM schema_versions WHERE component = ?`, schema.Component)
		if err := row.Scan(&version); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read the schema version: %w", err)
		}
		if version > len(names) {
			return fmt.Errorf("its schema has version %d, and this llmwatch knows %d: run the newer llmwatch that wrote it",
				version, len(names))
		}
		if done = version == len(names); done {
			return nil
		}
		script, err := fs.ReadFile(schema.Migrations, names[version])
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(script)); err != nil {
			return fmt.Errorf("apply %s: %w", names[version], err)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO schema_versions VALUES (?1, ?2)
			ON CONFLICT (component) DO UPDATE SET version = ?2`, schema.Component, version+1)

		return err
	})

	return done, err
}

func inTransaction(ctx context.Context, db *sql.DB, do func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	if err := do(tx); err != nil {
		if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
			err = errors.Join(err, fmt.Errorf("roll back: %w", rollback))
		}

		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}

	return nil
}
