package auth

import (
	"errors"
	"fmt"
	"time"
)

// Kind is how a principal proved who it is.
type Kind string

// The kinds.
const (
	KindToken   Kind = "token"   // An API token.
	KindSession Kind = "session" // A user on the page.
	KindUser    Kind = "user"    // A user with HTTP's Basic scheme.
	KindFile    Kind = "file"    // A user of the web configuration file, likewise.
	KindLocal   Kind = "local"   // Somebody at the command line of this machine.
)

// Principal is who does something.
type Principal struct {
	Kind Kind
	// Name is the user's, or the token's.
	Name string
	Role Role
	// CSRF is what a session's changes have to show.
	CSRF string
	// Expires is when the token or session ends; zero for never.
	Expires time.Time

	key []byte // Finds a token or session in the store again.
}

// Reasons why a caller is not let in.
var (
	// ErrNoCredentials is for callers who show none.
	ErrNoCredentials = errors.New("no credentials")
	// ErrWrongCredentials is for all others, whatever is wrong with what they show.
	ErrWrongCredentials = errors.New("wrong credentials")
	// ErrForged is for changes that a page of somebody else could have caused.
	ErrForged = errors.New("the request does not carry the session's CSRF token")
)

// ThrottledError says that there were too many wrong attempts.
type ThrottledError struct{ RetryAfter time.Duration }

// Error implements error.
func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many wrong credentials; try again in %s", e.RetryAfter.Round(time.Second))
}
