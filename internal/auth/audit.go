package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"llmwatch/internal/database"
)

// Outcome is what became of what somebody did.
type Outcome string

// The outcomes.
const (
	OutcomeOK     Outcome = "ok"
	OutcomeDenied Outcome = "denied" // No or wrong credentials, no permission, too many attempts.
	OutcomeFailed Outcome = "failed"
)

// Entry says who did or read what, from where, with what outcome.
type Entry struct {
	At Time `json:"at"`
	// Until and Times tell of several equal ones that were written as one.
	Until Time `json:"until,omitzero"`
	Times int  `json:"times,omitempty"`
	// Actor is the principal's name, Kind how it was proved; anonymous callers
	// have neither kind nor role.
	Actor string `json:"actor"`
	Kind  Kind   `json:"kind,omitempty"`
	Role  Role   `json:"role,omitempty"`
	// Action is method and route, or a command; Target what it was done to.
	Action  string  `json:"action"`
	Target  string  `json:"target,omitempty"`
	Outcome Outcome `json:"outcome"`
	Status  int     `json:"status,omitempty"`
	From    string  `json:"from,omitempty"`
	// RequestID finds the request in the log; of several, the first one's.
	RequestID string `json:"request_id,omitempty"`
}

// Time is a time as the trail writes it: of fixed width, so that the order of
// the texts is that of the times.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z"

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.UTC().Format(timeLayout) + `"`), nil
}

// Link is an entry in the chain.
type Link struct {
	Seq  int64
	Hash [sha256.Size]byte
	Body []byte // The entry, exactly as it was hashed.
}

// Entry reads the link's entry.
func (l *Link) Entry() (Entry, error) {
	var e Entry
	if err := json.Unmarshal(l.Body, &e); err != nil {
		return Entry{}, fmt.Errorf("read audit entry %d: %w", l.Seq, err)
	}

	return e, nil
}

// String is the link as others may keep it, to compare with later: SEQ:HASH.
func (l *Link) String() string { return fmt.Sprintf("%d:%s", l.Seq, hex.EncodeToString(l.Hash[:])) }

// chain returns the hash of an entry that follows one with the hash prev.
func chain(prev [sha256.Size]byte, seq int64, body []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write(prev[:])
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], uint64(seq))
	h.Write(number[:])
	h.Write(body)

	return [sha256.Size]byte(h.Sum(nil))
}

// Append puts entries at the end of the trail, durably and all or none. The end
// is read in the same transaction: other processes append too.
func (s *Store) Append(ctx context.Context, entries ...Entry) ([]Link, error) {
	var links []Link
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		links = make([]Link, 0, len(entries))
		last, err := lastLink(ctx, tx)
		if err != nil {
			return err
		}
		for i := range entries {
			body, err := json.Marshal(&entries[i])
			if err != nil {
				return err
			}
			next := Link{Seq: last.Seq + 1, Hash: chain(last.Hash, last.Seq+1, body), Body: body}
			if _, err := tx.ExecContext(ctx, `INSERT INTO audit (seq, body, hash) VALUES (?, ?, ?)`, next.Seq, string(body), next.Hash[:]); err != nil {
				return err
			}
			links = append(links, next)
			last = next
		}
		_, err = tx.ExecContext(ctx, `UPDATE audit_chain SET last_seq = ?, last_hash = ?`, last.Seq, last.Hash[:])

		return err
	})
	if err != nil {
		return nil, fmt.Errorf("append to the audit trail: %w", err)
	}

	return links, nil
}

func lastLink(ctx context.Context, tx *sql.Tx) (Link, error) {
	var l Link
	var hash []byte
	if err := tx.QueryRowContext(ctx, `SELECT last_seq, last_hash FROM audit_chain`).Scan(&l.Seq, &hash); err != nil {
		return Link{}, fmt.Errorf("read the end of the chain: %w", err)
	}
	if len(hash) != sha256.Size {
		return Link{}, errors.New("the end of the chain is damaged")
	}
	copy(l.Hash[:], hash)

	return l, nil
}

// AuditFilter chooses entries.
type AuditFilter struct {
	Since, Until time.Time // Zero for no bound.
	Actor        string
	Outcome      Outcome
	Limit        int
}

// Audit returns the newest entries that a filter wants, the newest first.
func (s *Store) Audit(ctx context.Context, f AuditFilter) ([]Link, error) {
	query := `SELECT seq, body, hash FROM audit WHERE 1`
	var args []any
	where := func(condition string, arg any) {
		query += " AND " + condition
		args = append(args, arg)
	}
	if !f.Since.IsZero() {
		where("at >= ?", f.Since.UTC().Format(timeLayout))
	}
	if !f.Until.IsZero() {
		where("at < ?", f.Until.UTC().Format(timeLayout))
	}
	if f.Actor != "" {
		where("json_extract(body, '$.actor') = ?", f.Actor)
	}
	if f.Outcome != "" {
		where("json_extract(body, '$.outcome') = ?", string(f.Outcome))
	}
	links, err := database.Collect(ctx, s.db.Read, scanLink, query+` ORDER BY seq DESC LIMIT ?`, append(args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}

	return links, nil
}

func scanLink(rows *sql.Rows) (Link, error) {
	var l Link
	var hash []byte
	err := rows.Scan(&l.Seq, &l.Body, &hash)
	copy(l.Hash[:], hash)

	return l, err
}

// Forget lets go of entries from before a time. What remains still proves itself:
// the chain remembers where it begins now.
func (s *Store) Forget(ctx context.Context, before time.Time) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		var seq int64
		var hash []byte
		row := tx.QueryRowContext(ctx, `SELECT seq, hash FROM audit WHERE at < ? ORDER BY seq DESC LIMIT 1`, before.UTC().Format(timeLayout))
		if err := row.Scan(&seq, &hash); errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE audit_chain SET first_seq = ?, first_prev = ?`, seq+1, hash); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM audit WHERE seq <= ?`, seq)

		return err
	})
	if err != nil {
		return fmt.Errorf("let go of old audit entries: %w", err)
	}

	return nil
}

// sameHash compares hashes that come from a column.
func sameHash(column []byte, hash [sha256.Size]byte) bool { return bytes.Equal(column, hash[:]) }
