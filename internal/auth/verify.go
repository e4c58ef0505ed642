package auth

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Verdict is what a look at the whole trail found.
type Verdict struct {
	Entries int
	First   int64 // The number of the first entry that is kept.
	Last    Link  // The end of the chain, to be compared with later.
	// Compared is how many entries were compared with what others remember.
	Compared int
	// Problems are empty when the trail is what was written.
	Problems []string
}

// maxProblems bounds what a verdict lists; after the first break it is known
// that something is wrong.
const maxProblems = 20

func (v *Verdict) problem(format string, args ...any) {
	if len(v.Problems) < maxProblems {
		v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
	}
}

// Verify reads the whole trail and says whether an entry is missing, altered or
// was put in. Whoever can write the file can also write a whole new chain, or
// cut the end off together with what says where it is: that is found only by
// comparison with remembered links from elsewhere, which map numbers to hashes.
func (s *Store) Verify(ctx context.Context, remembered map[int64][sha256.Size]byte) (Verdict, error) {
	var v Verdict
	tx, err := s.db.Read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // One state, while others append.
	if err != nil {
		return v, fmt.Errorf("read the audit trail: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // It wrote nothing.
	var lastSeq int64
	var prev, lastHash []byte
	row := tx.QueryRowContext(ctx, `SELECT first_seq, first_prev, last_seq, last_hash FROM audit_chain`)
	if err := row.Scan(&v.First, &prev, &lastSeq, &lastHash); err != nil {
		return v, fmt.Errorf("read where the audit trail begins and ends: %w", err)
	}
	v.Last.Seq = v.First - 1
	copy(v.Last.Hash[:], prev)
	rows, err := tx.QueryContext(ctx, `SELECT seq, body, hash FROM audit ORDER BY seq`)
	if err != nil {
		return v, fmt.Errorf("read the audit trail: %w", err)
	}
	defer func() { _ = rows.Close() }() // What it could tell is in rows.Err.
	for rows.Next() {
		link, err := scanLink(rows)
		if err != nil {
			return v, fmt.Errorf("read the audit trail: %w", err)
		}
		v.look(link, remembered)
	}
	if err := rows.Err(); err != nil {
		return v, fmt.Errorf("read the audit trail: %w", err)
	}
	if v.Last.Seq != lastSeq {
		v.problem("the trail ends with entry %d and should end with %d", v.Last.Seq, lastSeq)
	} else if !sameHash(lastHash, v.Last.Hash) {
		v.problem("the last entry, %d, is not the one that was written", lastSeq)
	}
	for seq := range remembered {
		if seq > v.Last.Seq {
			v.problem("entry %d is remembered elsewhere and is missing at the end", seq)
		}
	}

	return v, nil
}

// look holds the next entry against the one before and against what others
// remember.
func (v *Verdict) look(link Link, remembered map[int64][sha256.Size]byte) {
	v.Entries++
	if missing := link.Seq - v.Last.Seq - 1; missing != 0 {
		v.problem("%d entries are missing before entry %d", missing, link.Seq)
	}
	if chain(v.Last.Hash, link.Seq, link.Body) != link.Hash {
		v.problem("entry %d is altered, or does not follow the one before", link.Seq)
	}
	if hash, ok := remembered[link.Seq]; ok {
		v.Compared++
		if hash != link.Hash {
			v.problem("entry %d is not the one that is remembered elsewhere", link.Seq)
		}
	}
	v.Last = link
}

// ParseLink reads what Link.String writes.
func ParseLink(s string) (seq int64, hash [sha256.Size]byte, err error) {
	number, text, _ := strings.Cut(s, ":")
	seq, err = strconv.ParseInt(number, 10, 64)
	raw, hexErr := hex.DecodeString(text)
	if err != nil || hexErr != nil || len(raw) != sha256.Size {
		return 0, hash, fmt.Errorf("must be SEQ:HASH as audit verify prints it, got %q", s)
	}
	copy(hash[:], raw)

	return seq, hash, nil
}
