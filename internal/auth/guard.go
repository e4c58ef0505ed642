package auth

import (
	"context"
	"crypto/hmac"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// CookieName is the cookie of a session, CSRFHeader the header in which a
// session's changes show that they come from the page.
const (
	CookieName = "llmwatch_session"
	CSRFHeader = "X-CSRF-Token"
)

// Config says whom a guard lets in.
type Config struct {
	// Store holds tokens, users and sessions. Nil where there are none.
	Store *Store
	// File are the users of a web configuration file: bcrypt hashes by name. As
	// with other programs that read such a file, they may do everything.
	File map[string]string
	// Policy says what roles may do at first.
	Policy Policy
	// SessionLifetime is how long after the login a session ends.
	SessionLifetime time.Duration
	Logger          *slog.Logger
}

// Guard tells who a caller is and what the caller may do.
type Guard struct {
	cfg       Config
	passwords *passwords
	addresses *throttle // Wrong passwords by address,
	tokens    *throttle // wrong tokens by address,
	users     *throttle // wrong passwords by user.

	acquainted acquaintances
	policy     atomic.Pointer[Policy]
	holding    holding
	now        func() time.Time

	mu   sync.Mutex
	uses map[string]time.Time // Last uses of tokens that the store does not know yet.
}

// NewGuard returns a guard. Run has to be called for it to note when tokens are
// used.
func NewGuard(cfg Config) *Guard {
	now := time.Now
	g := &Guard{
		cfg:       cfg,
		passwords: newPasswords(),
		addresses: newThrottle(attemptsOfAddress, addressEvery, now),
		tokens:    newThrottle(attemptsOfAddress, addressEvery, now),
		users:     newThrottle(attemptsOfUser, userEvery, now),
		now:       now,
		uses:      map[string]time.Time{},
		holding:   holding{watches: map[reason]*watch{}},
	}
	g.SetPolicy(cfg.Policy)

	return g
}

// Policy says what roles may do.
func (g *Guard) Policy() Policy { return *g.policy.Load() }

// SetPolicy changes what roles may do, at once.
func (g *Guard) SetPolicy(p Policy) { g.policy.Store(&p) }

// Authenticate tells who sends a request. Errors are ErrNoCredentials,
// ErrWrongCredentials, ErrForged (with whose session it is), ErrBusy, a *ThrottledError, or that of a store
// that cannot be read.
func (g *Guard) Authenticate(r *http.Request) (Principal, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, rest, _ := strings.Cut(header, " ")
		switch {
		case strings.EqualFold(scheme, "Bearer"):
			return g.byToken(r, strings.TrimSpace(rest))
		case strings.EqualFold(scheme, "Basic"):
			return g.byBasic(r)
		default:
			return Principal{}, g.wrong(r)
		}
	}
	if cookie, err := r.Cookie(CookieName); err == nil && g.cfg.Store != nil {
		return g.byCookie(r, cookie.Value)
	}

	return Principal{}, ErrNoCredentials
}

func (g *Guard) byToken(r *http.Request, token string) (Principal, error) {
	if g.cfg.Store == nil {
		return Principal{}, g.wrong(r)
	}
	p, err := g.cfg.Store.findToken(r.Context(), token)
	if errors.Is(err, ErrWrongCredentials) {
		return Principal{}, g.wrong(r)
	}
	if err == nil {
		g.mu.Lock()
		g.uses[string(p.key)] = g.now()
		g.mu.Unlock()
	}

	return p, err
}

func (g *Guard) byCookie(r *http.Request, secret string) (Principal, error) {
	p, err := g.cfg.Store.findSession(r.Context(), digest(secret))
	if err != nil {
		return Principal{}, err
	}
	p.CSRF = csrfOf(secret)
	if changes(r.Method) && !hmac.Equal([]byte(r.Header.Get(CSRFHeader)), []byte(p.CSRF)) {
		return p, ErrForged
	}

	return p, nil
}

// wrong counts a wrong token. Right ones are let in all the same: behind one
// address there may be many callers, and one of them may be misconfigured. The
// cookie of a session that ended is not counted: the page has to learn of it.
func (g *Guard) wrong(r *http.Request) error {
	if wait := g.tokens.spend(network(r.RemoteAddr)); wait > 0 {
		return &ThrottledError{wait}
	}

	return ErrWrongCredentials
}

var crossOrigin = http.NewCrossOriginProtection()

// byBasic is for programs. A browser that remembers such credentials sends them
// whoever causes the request, so changes from other origins are refused.
func (g *Guard) byBasic(r *http.Request) (Principal, error) {
	name, password, ok := r.BasicAuth()
	if !ok {
		return Principal{}, g.wrong(r)
	}
	if err := crossOrigin.Check(r); err != nil {
		return Principal{}, ErrForged
	}

	return g.byPassword(r.Context(), name, password, r.RemoteAddr, g.cfg.File)
}

// changes reports whether a method may change something.
func changes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

// Session is what a login leads to.
type Session struct {
	Principal
	// Secret is the value of the cookie.
	Secret string
}

// Login begins a session. Users of the web configuration file have none: they
// are for programs.
func (g *Guard) Login(ctx context.Context, name, password, remote string) (Session, error) {
	if g.cfg.Store == nil {
		return Session{}, ErrWrongCredentials
	}
	p, err := g.byPassword(ctx, name, password, remote, nil)
	if err != nil {
		return Session{}, err
	}
	secret, err := g.cfg.Store.createSession(ctx, p.Name, g.cfg.SessionLifetime)
	if err != nil {
		return Session{}, err
	}
	p.Kind, p.CSRF, p.Expires = KindSession, csrfOf(secret), g.now().Add(g.cfg.SessionLifetime)

	return Session{p, secret}, nil
}

// Knows reports whether there is a user of that name. It is for records, since
// people type their password where the name belongs.
func (g *Guard) Knows(ctx context.Context, name string) bool {
	if g.cfg.Store == nil {
		return false
	}
	_, _, err := g.cfg.Store.findUser(ctx, name)

	return err == nil
}

// Logout ends the session that a principal came by.
func (g *Guard) Logout(ctx context.Context, p Principal) error {
	if p.Kind != KindSession {
		return nil
	}

	return g.cfg.Store.endSession(ctx, p.key)
}
