package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"llmwatch/internal/database"
)

// tokenPrefix makes a token that got lost recognisable, to people and to
// programs that look for secrets.
const tokenPrefix = "lwt_"

// tokenIDLength is how much of a token is public and finds it.
const tokenIDLength = 8

// Token is an API token without its secret.
type Token struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Role     Role      `json:"role"`
	Created  time.Time `json:"created_at"`
	Expires  time.Time `json:"expires_at,omitzero"`   // Zero for never.
	LastUsed time.Time `json:"last_used_at,omitzero"` // Zero for not yet; up to a minute old.
}

// CreateToken makes a token. What it returns beside it is the secret, which
// nobody can show again.
//
// A token is lwt_ID_SECRET with more than 256 random bits. No dictionary and no
// guessing leads to it, so a fast hash keeps it as safe as a slow one would,
// and a request does not have to wait for a slow one.
func (s *Store) CreateToken(ctx context.Context, name string, role Role, expires time.Time) (Token, string, error) {
	if err := checkName(name); err != nil {
		return Token{}, "", err
	}
	t := Token{ID: strings.ToLower(rand.Text()[:tokenIDLength]), Name: name, Role: role, Created: s.now().UTC(), Expires: expires.UTC()}
	secret := tokenPrefix + t.ID + "_" + randomSecret()
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM auth_tokens WHERE name = ?`, name).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return ErrExists
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO auth_tokens VALUES (?, ?, ?, ?, ?, ?, 0)`,
			t.ID, t.Name, t.Role, digest(secret), database.Millis(t.Created), database.Millis(expires))

		return err
	})
	if err != nil {
		return Token{}, "", fmt.Errorf("make token %q: %w", name, err)
	}

	return t, secret, nil
}

// Tokens are all tokens, the oldest first.
func (s *Store) Tokens(ctx context.Context) ([]Token, error) {
	tokens, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (t Token, err error) {
		var created, expires, used int64
		err = rows.Scan(&t.ID, &t.Name, &t.Role, &created, &expires, &used)
		t.Created, t.Expires, t.LastUsed = database.Moment(created), database.Moment(expires), database.Moment(used)

		return t, err
	}, `SELECT id, name, role, created_at, expires_at, last_used_at FROM auth_tokens ORDER BY created_at, id`)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}

	return tokens, nil
}

// RevokeToken ends the token of that name or id, at once and for ever.
func (s *Store) RevokeToken(ctx context.Context, nameOrID string) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		return s.changeOne(ctx, tx, `DELETE FROM auth_tokens 
			WHERE name = ?1 OR (id = ?1 AND ?1 NOT IN (SELECT name FROM auth_tokens))`, nameOrID)
	})
	if err != nil {
		return fmt.Errorf("revoke token %q: %w", nameOrID, err)
	}

	return nil
}

const tokenByID = `SELECT name, role, hash, expires_at FROM auth_tokens WHERE id = ?`

// findToken returns whose token it is, or ErrWrongCredentials. A token that is
// unknown and one whose secret is wrong take the same way.
func (s *Store) findToken(ctx context.Context, presented string) (Principal, error) {
	sum := digest(presented)
	id, _, _ := strings.Cut(strings.TrimPrefix(presented, tokenPrefix), "_")
	p, hash, err := s.lookToken(ctx, id)
	if errors.Is(err, ErrNotFound) {
		hash, err = make([]byte, sha256.Size), nil
	}
	if err != nil {
		return Principal{}, err
	}
	if subtle.ConstantTimeCompare(hash, sum) != 1 || s.over(p.Expires) {
		return Principal{}, ErrWrongCredentials
	}

	return p, nil
}

// lookToken returns what a token is, expired or not, and the hash that it has
// to have. It is ErrNotFound once the token is revoked.
func (s *Store) lookToken(ctx context.Context, id string) (p Principal, hash []byte, err error) {
	p = Principal{Kind: KindToken, key: []byte(id)}
	var expires int64
	err = s.token.QueryRowContext(ctx, id).Scan(&p.Name, &p.Role, &hash, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil, ErrNotFound
	}
	if err != nil {
		return p, nil, fmt.Errorf("look a token up: %w", err)
	}
	p.Expires = database.Moment(expires)

	return p, hash, nil
}

// noteUses remembers when tokens were used last.
func (s *Store) noteUses(ctx context.Context, uses map[string]time.Time) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		for id, at := range uses {
			if _, err := tx.ExecContext(ctx, `UPDATE auth_tokens SET last_used_at = ? WHERE id = ?`, database.Millis(at), id); err != nil {
				return err
			}
		}

		return nil
	})
	if err != nil {
		return fmt.Errorf("note the last use of tokens: %w", err)
	}

	return nil
}

// over reports whether something has expired.
func (s *Store) over(expires time.Time) bool { return !expires.IsZero() && !s.now().Before(expires) }

// randomSecret returns 260 random bits as text.
func randomSecret() string { return rand.Text() + rand.Text() }

// digest is how secrets with enough randomness are kept.
func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))

	return sum[:]
}
