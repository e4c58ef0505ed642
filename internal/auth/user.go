package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"llmwatch/internal/database"
)

const (
	// passwordCost makes one guess cost about a quarter of a second.
	passwordCost = 12
	// minPassword is what NIST asks for at least; more than maxPassword bytes
	// bcrypt would ignore.
	minPassword = 8
	maxPassword = 72
)

// User is somebody who logs in with a password.
type User struct {
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Created time.Time `json:"created_at"`
}

// AddUser lets somebody in.
func (s *Store) AddUser(ctx context.Context, name string, role Role, password string) error {
	if err := checkName(name); err != nil {
		return err
	}
	hash, err := s.hashPassword(password)
	if err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx *sql.Tx) error {
		err := s.changeOne(ctx, tx, `INSERT INTO auth_users VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`,
			name, role, hash, database.Millis(s.now()))
		if errors.Is(err, ErrNotFound) {
			return ErrExists
		}

		return err
	})
	if err != nil {
		return fmt.Errorf("add user %q: %w", name, err)
	}

	return nil
}

// Users are all users by name.
func (s *Store) Users(ctx context.Context) ([]User, error) {
	users, err := database.Collect(ctx, s.db.Read, func(rows *sql.Rows) (u User, err error) {
		var created int64
		err = rows.Scan(&u.Name, &u.Role, &created)
		u.Created = database.Moment(created)

		return u, err
	}, `SELECT name, role, created_at FROM auth_users ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}

	return users, nil
}

// SetPassword changes a user's password and ends the user's sessions.
func (s *Store) SetPassword(ctx context.Context, name, password string) error {
	hash, err := s.hashPassword(password)
	if err != nil {
		return err
	}

	return s.changeUser(ctx, "change the password of", name, true, `UPDATE auth_users SET password = ?2 WHERE name = ?1`, hash)
}

// SetRole changes what a user may do, in open sessions too.
func (s *Store) SetRole(ctx context.Context, name string, role Role) error {
	return s.changeUser(ctx, "change the role of", name, false, `UPDATE auth_users SET role = ?2 WHERE name = ?1`, role)
}

// RemoveUser shuts somebody out and ends the user's sessions.
func (s *Store) RemoveUser(ctx context.Context, name string) error {
	return s.changeUser(ctx, "remove", name, true, `DELETE FROM auth_users WHERE name = ?1`)
}

func (s *Store) changeUser(ctx context.Context, what, name string, endSessions bool, query string, args ...any) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		if err := s.changeOne(ctx, tx, query, append([]any{name}, args...)...); err != nil || !endSessions {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM auth_sessions WHERE user = ?`, name)

		return err
	})
	if err != nil {
		return fmt.Errorf("%s user %q: %w", what, name, err)
	}

	return nil
}

const passwordOf = `SELECT role, password FROM auth_users WHERE name = ?`

// findUser returns the role and the password's hash of a user, or ErrNotFound.
func (s *Store) findUser(ctx context.Context, name string) (role Role, hash string, err error) {
	err = s.password.QueryRowContext(ctx, name).Scan(&role, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", ErrNotFound
	}
	if err != nil {
		return "", "", fmt.Errorf("look a user up: %w", err)
	}

	return role, hash, nil
}

// CheckPassword says what is wrong with a new password.
func CheckPassword(password string) error {
	switch {
	case len([]rune(password)) < minPassword:
		return fmt.Errorf("a password has at least %d characters", minPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("a password has at most %d bytes", maxPassword)
	case strings.ContainsAny(password, "\r\n\x00"):
		return errors.New("a password is one line")
	default:
		return nil
	}
}

func (s *Store) hashPassword(password string) (string, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), s.cost)
	if err != nil {
		return "", fmt.Errorf("hash the password: %w", err)
	}

	return string(hash), nil
}
