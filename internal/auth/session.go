package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"llmwatch/internal/database"
)

// maxSessions bounds the sessions of one user; the oldest ends first.
const maxSessions = 50

// createSession makes a session and returns the secret for its cookie.
func (s *Store) createSession(ctx context.Context, user string, lifetime time.Duration) (secret string, err error) {
	secret = randomSecret()
	now := s.now()
	err = s.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM auth_sessions WHERE expires_at <= ?1 OR hash IN (
				SELECT hash FROM auth_sessions WHERE user = ?2 ORDER BY created_at DESC LIMIT -1 OFFSET ?3)`,
			database.Millis(now), user, maxSessions-1); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO auth_sessions VALUES (?, ?, ?, ?)`,
			digest(secret), user, database.Millis(now), database.Millis(now.Add(lifetime)))

		return err
	})
	if err != nil {
		return "", fmt.Errorf("begin a session: %w", err)
	}

	return secret, nil
}

// endSession ends a session; one that has ended already stays so.
func (s *Store) endSession(ctx context.Context, hash []byte) error {
	if _, err := s.db.Write.ExecContext(ctx, `DELETE FROM auth_sessions WHERE hash = ?`, hash); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}

	return nil
}

const sessionByHash = `SELECT u.name, u.role, s.expires_at FROM auth_sessions s JOIN auth_users u ON u.name = s.user WHERE s.hash = ?`

// findSession returns whose session it is, or ErrWrongCredentials. What is
// looked up is a hash: how long it takes says nothing about the secret.
func (s *Store) findSession(ctx context.Context, hash []byte) (Principal, error) {
	p := Principal{Kind: KindSession, key: hash}
	var expires int64
	err := s.session.QueryRowContext(ctx, hash).Scan(&p.Name, &p.Role, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return Principal{}, ErrWrongCredentials
	}
	if err != nil {
		return Principal{}, fmt.Errorf("look a session up: %w", err)
	}
	if p.Expires = database.Moment(expires); s.over(p.Expires) {
		return Principal{}, ErrWrongCredentials
	}

	return p, nil
}

// csrfOf derives what a session's changes have to show from its secret, which
// scripts cannot read.
func csrfOf(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("csrf"))

	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
