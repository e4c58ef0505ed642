package main

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// sqlitePeer is the documented design: a table with indexes on time, level, logger
// and request id.
type sqlitePeer struct {
	db     *sql.DB
	ingest time.Duration
	bytes  float64
}

// pattern remembers the last pattern compiled, as SQLite's own extensions do.
var pattern struct {
	sync.Mutex

	text     string
	compiled *regexp.Regexp
}

func matches(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	text, ok1 := args[0].(string)
	message, ok2 := args[1].(string)
	if !ok1 || !ok2 {
		return false, nil
	}
	pattern.Lock()
	defer pattern.Unlock()
	if pattern.compiled == nil || pattern.text != text {
		compiled, err := regexp.Compile(text)
		if err != nil {
			return nil, err
		}
		pattern.text, pattern.compiled = text, compiled
	}

	return pattern.compiled.MatchString(message), nil
}

// sqlite fills a table with the lines, a thousand a transaction, each durable.
func (b *bench) sqlite(ctx context.Context, lines *logLines) (*sqlitePeer, error) {
	if err := sqlite.RegisterDeterministicScalarFunction("regexp", 2, matches); err != nil {
		return nil, err
	}
	path := filepath.Join(b.dir, "logs.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for _, statement := range []string{
		"CREATE TABLE logs (id INTEGER PRIMARY KEY, time TEXT, level TEXT, logger TEXT, message TEXT, request_id TEXT, line TEXT)",
		"CREATE INDEX by_time ON logs (time)", "CREATE INDEX by_level ON logs (level)",
		"CREATE INDEX by_logger ON logs (logger)", "CREATE INDEX by_request ON logs (request_id)",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	peer := &sqlitePeer{db: db}
	begin := time.Now()
	if err := peer.fill(ctx, lines.plain); err != nil {
		return nil, err
	}
	peer.ingest = time.Since(begin)
	if _, err := db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	peer.bytes = float64(info.Size())

	return peer, nil
}

func (s *sqlitePeer) fill(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	input := bufio.NewScanner(f)
	input.Buffer(nil, 1<<20)
	for more := true; more; {
		if more, err = s.insert(ctx, input); err != nil {
			return err
		}
	}

	return input.Err()
}

// insert writes the next thousand lines in one transaction, and returns whether
// there may be more.
func (s *sqlitePeer) insert(ctx context.Context, input *bufio.Scanner) (more bool, err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	statement, err := tx.PrepareContext(ctx, "INSERT INTO logs (time, level, logger, message, request_id, line) VALUES (?, ?, ?, ?, ?, ?)")
	if err != nil {
		return false, err
	}
	defer func() { _ = statement.Close() }() // It was only used.
	for range 1000 {
		if !input.Scan() {
			return false, tx.Commit()
		}
		var e struct {
			Timestamp, Level, Logger, Message string
			RequestID                         string `json:"request_id"`
		}
		if err := json.Unmarshal(input.Bytes(), &e); err != nil {
			return false, err
		}
		if _, err := statement.ExecContext(ctx, e.Timestamp, e.Level, e.Logger, e.Message, e.RequestID, input.Text()); err != nil {
			return false, err
		}
	}

	return true, tx.Commit()
}

// median asks as often as the other side is asked, less where an answer takes long.
func (s *sqlitePeer) median(ctx context.Context, query string, args ...any) (time.Duration, error) {
	var took []time.Duration
	for begin := time.Now(); len(took) < requests && (len(took) < 3 || time.Since(begin) < 10*time.Second); {
		start := time.Now()
		if err := s.read(ctx, query, args...); err != nil {
			return 0, fmt.Errorf("asking SQLite: %w", err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)

	return took[len(took)/2], nil
}

// read asks once and reads the whole answer.
func (s *sqlitePeer) read(ctx context.Context, query string, args ...any) error {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // They were only read.
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(any)
	}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			return err
		}
	}

	return rows.Err()
}
