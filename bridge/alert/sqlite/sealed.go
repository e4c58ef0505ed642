package sqlite

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"llmwatch/internal/database"
)

// Cipher keeps what alerts and notifications say from those who read the file.
type Cipher interface {
	// Seal appends what Open turns back, given the same additional bytes.
	Seal(dst, plaintext, additional []byte) []byte
	Open(dst, sealed, additional []byte) ([]byte, error)
}

// Option changes how Open opens.
type Option func(*Store)

// Sealed has the texts of alerts, timelines and notifications sealed. Those that
// were kept before are sealed when the database is opened; names, times and states,
// by which rows are found, are not.
func Sealed(c Cipher) Option { return func(s *Store) { s.cipher = c } }

// sealedMark begins a text that is sealed; a body begins with a brace otherwise.
const sealedMark = "sealed:"

// column is one whose texts are sealed.
type column struct{ table, name string }

var (
	alertBody  = column{"alerts", "body"}
	eventText  = column{"events", "text"}
	outboxBody = column{"outbox", "body"}
	outboxSaid = column{"outbox", "answer"}

	outboxProgress = column{"outbox", "progress"}
	channelBody    = column{"channels", "body"}

	sealedColumns = []column{alertBody, eventText, outboxBody, outboxSaid, outboxProgress, channelBody}
)

// additional binds a text to its column.
func (c column) additional() []byte { return []byte(c.table + "." + c.name) }

// conceal is the text as it is kept.
func (s *Store) conceal(text string, where column) string {
	if s.cipher == nil {
		return text
	}

	return sealedMark + base64.StdEncoding.EncodeToString(s.cipher.Seal(nil, []byte(text), where.additional()))
}

// reveal is the text of what is kept.
func (s *Store) reveal(kept string, where column) (string, error) {
	encoded, sealed := strings.CutPrefix(kept, sealedMark)
	if !sealed {
		return kept, nil
	}
	if s.cipher == nil {
		return "", errNoKey
	}
	message, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", err
	}
	text, err := s.cipher.Open(nil, message, where.additional())

	return string(text), err
}

var errNoKey = errors.New("it is encrypted, and no key is configured")

// unmarshal reads a body.
func (s *Store) unmarshal(kept sql.RawBytes, where column, into any) error {
	text, err := s.reveal(string(kept), where)
	if err != nil {
		return err
	}

	return json.Unmarshal([]byte(text), into)
}

// checkKey finds out whether what is sealed can be opened, and seals what is not
// although it should be.
func (s *Store) checkKey(ctx context.Context) error {
	for _, c := range sealedColumns {
		var kept string
		err := s.db.Read.QueryRowContext(ctx, fmt.Sprintf( //nolint:gosec // The names are our own.
			`SELECT %[2]s FROM %[1]s WHERE %[2]s LIKE '`+sealedMark+`%%' ORDER BY seq DESC LIMIT 1`, c.table, c.name)).Scan(&kept)
		if err == nil {
			_, err = s.reveal(kept, c)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	if s.cipher == nil {
		return nil
	}

	return s.sealOld(ctx)
}

// sealOld seals what was kept in the clear, and overwrites where it was.
func (s *Store) sealOld(ctx context.Context) error {
	changed := false
	for _, c := range sealedColumns {
		n, err := s.sealColumn(ctx, c)
		if err != nil {
			return fmt.Errorf("seal %s.%s: %w", c.table, c.name, err)
		}
		changed = changed || n > 0
	}
	if !changed {
		return nil
	}
	for _, statement := range []string{`VACUUM`, `PRAGMA wal_checkpoint(TRUNCATE)`} {
		if _, err := s.db.Write.ExecContext(ctx, statement); err != nil {
			return err
		}
	}

	return nil
}

func (s *Store) sealColumn(ctx context.Context, c column) (sealed int, err error) {
	type row struct {
		seq  int64
		text string
	}
	rows, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.seq, &r.text) },
		fmt.Sprintf(`SELECT seq, %[2]s FROM %[1]s WHERE %[2]s != '' AND %[2]s NOT LIKE '`+sealedMark+`%%'`, c.table, c.name)) //nolint:gosec // As above.
	if err != nil {
		return 0, err
	}

	return len(rows), s.db.Update(ctx, func(tx *sql.Tx) error {
		for _, r := range rows {
			_, err := tx.ExecContext(ctx, fmt.Sprintf(`UPDATE %s SET %s = ? WHERE seq = ?`, c.table, c.name), //nolint:gosec // As above.
				s.conceal(r.text, c), r.seq)
			if err != nil {
				return err
			}
		}

		return nil
	})
}
