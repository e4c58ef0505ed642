package auth

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var silent = slog.New(slog.DiscardHandler)

const password = "correct horse battery"

// openAt opens a store with cheap passwords.
func openAt(tb testing.TB, path string) *Store {
	tb.Helper()

	s, err := Open(context.Background(), path)
	if err != nil {
		tb.Fatal(err)
	}
	s.cost = bcrypt.MinCost
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})

	return s
}

func open(tb testing.TB) *Store {
	tb.Helper()

	return openAt(tb, filepath.Join(tb.TempDir(), "llmwatch.db"))
}

func guardOf(s *Store) *Guard {
	return NewGuard(Config{Store: s, Policy: DefaultPolicy(), SessionLifetime: time.Hour, Logger: silent})
}

func makeToken(tb testing.TB, s *Store, name string, role Role, expires time.Time) string {
	tb.Helper()

	_, secret, err := s.CreateToken(tb.Context(), name, role, expires)
	if err != nil {
		tb.Fatal(err)
	}

	return secret
}

func addUser(tb testing.TB, s *Store, name string, role Role) {
	tb.Helper()

	if err := s.AddUser(tb.Context(), name, role, password); err != nil {
		tb.Fatal(err)
	}
}

// ask is a request with headers, given as name and value by turns.
func ask(tb testing.TB, method string, header ...string) *http.Request {
	tb.Helper()

	r := httptest.NewRequestWithContext(tb.Context(), method, "/", http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}

	return r
}

func basic(tb testing.TB, name, password string) *http.Request {
	tb.Helper()

	r := ask(tb, http.MethodGet)
	r.SetBasicAuth(name, password)

	return r
}

func TestTokens(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, filepath.Join(dir, "llmwatch.db"))
	g := guardOf(s)
	expires := time.Now().Add(time.Hour)
	secret := makeToken(t, s, "ci", Ingest, expires)
	p, err := g.Authenticate(ask(t, http.MethodPost, "Authorization", "bearer "+secret))
	if err != nil || p.Kind != KindToken || p.Name != "ci" || p.Role != Ingest {
		t.Errorf("the token is %+v, error %v", p, err)
	}
	if _, _, err := s.CreateToken(t.Context(), "ci", Admin, time.Time{}); !errors.Is(err, ErrExists) {
		t.Errorf("a second one of the name: %v", err)
	}
	if _, _, err := s.CreateToken(t.Context(), "c i\n", Admin, time.Time{}); err == nil {
		t.Error("a name may have spaces")
	}
	g.note(t.Context())
	tokens, err := s.Tokens(t.Context())
	if err != nil || len(tokens) != 1 || tokens[0].Name != "ci" || tokens[0].LastUsed.IsZero() || !tokens[0].Expires.Equal(expires.Truncate(time.Millisecond)) {
		t.Errorf("tokens %+v, error %v", tokens, err)
	}
	for name, wrong := range map[string]string{
		"its id":         tokenPrefix + tokens[0].ID,
		"another secret": tokenPrefix + tokens[0].ID + "_" + randomSecret(),
		"another id":     tokenPrefix + "aaaaaaaa_" + secret[len(tokenPrefix)+tokenIDLength+1:],
		"cut":            secret[:len(secret)-1],
		"nothing":        "",
	} {
		if _, err := g.Authenticate(ask(t, http.MethodGet, "Authorization", "Bearer "+wrong)); !errors.Is(err, ErrWrongCredentials) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for file, content := range filesIn(t, dir) {
		if bytes.Contains(content, []byte(secret[len(tokenPrefix)+tokenIDLength+1:])) {
			t.Errorf("%s holds the secret", file)
		}
	}

	t.Run("expiry", func(t *testing.T) {
		s.now = func() time.Time { return expires }
		defer func() { s.now = time.Now }()
		if _, err := g.Authenticate(ask(t, http.MethodGet, "Authorization", "Bearer "+secret)); !errors.Is(err, ErrWrongCredentials) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("revocation by another process counts at once", func(t *testing.T) {
		other := openAt(t, filepath.Join(dir, "llmwatch.db"))
		if err := other.RevokeToken(t.Context(), "ci"); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Authenticate(ask(t, http.MethodGet, "Authorization", "Bearer "+secret)); !errors.Is(err, ErrWrongCredentials) {
			t.Errorf("error %v", err)
		}
		if err := other.RevokeToken(t.Context(), "ci"); !errors.Is(err, ErrNotFound) {
			t.Errorf("again: %v", err)
		}
	})
	t.Run("revocation by id", func(t *testing.T) {
		made, _, err := s.CreateToken(t.Context(), "other", Viewer, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.RevokeToken(t.Context(), made.ID); err != nil {
			t.Error(err)
		}
	})
}

// filesIn reads a directory.
func filesIn(t *testing.T, dir string) map[string][]byte {
	t.Helper()

	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = content
	}

	return files
}

func TestSessions(t *testing.T) {
	s := open(t)
	g := guardOf(s)
	addUser(t, s, "ada", Operator)
	login := func() Session {
		t.Helper()
		session, err := g.Login(t.Context(), "ada", password, "192.0.2.1:1")
		if err != nil {
			t.Fatal(err)
		}

		return session
	}
	with := func(method string, session Session, csrf string) (Principal, error) {
		return g.Authenticate(ask(t, method, "Cookie", CookieName+"="+session.Secret, CSRFHeader, csrf))
	}
	session := login()
	p, err := with(http.MethodGet, session, "")
	if err != nil || p.Kind != KindSession || p.Name != "ada" || p.Role != Operator || p.CSRF != session.CSRF {
		t.Errorf("the session is %+v, error %v", p, err)
	}
	for csrf, want := range map[string]error{session.CSRF: nil, "": ErrForged, session.CSRF + "x": ErrForged, login().CSRF: ErrForged} {
		if _, err := with(http.MethodPost, session, csrf); !errors.Is(err, want) {
			t.Errorf("a change with CSRF token %q: %v, want %v", csrf, err, want)
		}
	}
	if err := s.SetRole(t.Context(), "ada", Viewer); err != nil {
		t.Fatal(err)
	}
	if p, err := with(http.MethodGet, session, ""); err != nil || p.Role != Viewer {
		t.Errorf("after the change of role: %+v, error %v", p, err)
	}
	if err := g.Logout(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := with(http.MethodGet, session, ""); !errors.Is(err, ErrWrongCredentials) {
		t.Errorf("after the logout: %v", err)
	}
	for name, end := range map[string]func() error{
		"a new password": func() error { return s.SetPassword(t.Context(), "ada", password+"!") },
		"removal":        func() error { return s.RemoveUser(t.Context(), "ada") },
	} {
		if err := s.SetPassword(t.Context(), "ada", password); err != nil {
			addUser(t, s, "ada", Viewer)
		}
		session := login()
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if _, err := with(http.MethodGet, session, ""); !errors.Is(err, ErrWrongCredentials) {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

func TestSessionsExpireAndAreBounded(t *testing.T) {
	s := open(t)
	addUser(t, s, "ada", Viewer)
	first, err := s.createSession(t.Context(), "ada", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	s.now = func() time.Time { return begin.Add(2 * time.Hour) }
	if _, err := s.findSession(t.Context(), digest(first)); !errors.Is(err, ErrWrongCredentials) {
		t.Errorf("after its lifetime: %v", err)
	}
	for i := range maxSessions + 5 {
		s.now = func() time.Time { return begin.Add(2*time.Hour + time.Duration(i)*time.Millisecond) }
		if _, err := s.createSession(t.Context(), "ada", time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	if err := s.db.Read.QueryRowContext(t.Context(), `SELECT count(*) FROM auth_sessions`).Scan(&n); err != nil || n != maxSessions {
		t.Errorf("there are %d sessions, error %v", n, err)
	}
}

func TestUsers(t *testing.T) {
	s := open(t)
	if empty, err := s.Empty(t.Context()); err != nil || !empty {
		t.Errorf("a new store is empty: %t, %v", empty, err)
	}
	for name, tc := range map[string]struct{ user, password, says string }{
		"short":         {"ada", "1234567", "at least 8"},
		"long":          {"ada", strings.Repeat("ä", 37), "at most 72 bytes"},
		"two lines":     {"ada", "correct\nhorse", "one line"},
		"nobody's name": {"", password, "a name is"},
		"a path":        {"../ada", password, "a name is"},
	} {
		if err := s.AddUser(t.Context(), tc.user, Viewer, tc.password); err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), tc.password) {
			t.Errorf("%s: %v", name, err)
		}
	}
	addUser(t, s, "ada", Admin)
	if err := s.AddUser(t.Context(), "ada", Viewer, password); !errors.Is(err, ErrExists) {
		t.Errorf("a second one: %v", err)
	}
	users, err := s.Users(t.Context())
	if err != nil || len(users) != 1 || users[0].Name != "ada" || users[0].Role != Admin {
		t.Errorf("users %+v, error %v", users, err)
	}
	if empty, err := s.Empty(t.Context()); err != nil || empty {
		t.Errorf("with a user it is empty: %t, %v", empty, err)
	}
	for name, err := range map[string]error{
		"password": s.SetPassword(t.Context(), "bob", password), "role": s.SetRole(t.Context(), "bob", Admin), "removal": s.RemoveUser(t.Context(), "bob"),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s of nobody: %v", name, err)
		}
	}
}

func TestPasswordsWithoutSession(t *testing.T) {
	t.Parallel()
	s := open(t)
	addUser(t, s, "ada", Viewer)
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	g := NewGuard(Config{Store: s, File: map[string]string{"root": string(hash)}, Policy: DefaultPolicy(), Logger: silent})
	for name, want := range map[string]Principal{"ada": {Kind: KindUser, Role: Viewer}, "root": {Kind: KindFile, Role: Admin}} {
		for range 2 { // The second time it is remembered.
			p, err := g.Authenticate(basic(t, name, password))
			if err != nil || p.Name != name || p.Kind != want.Kind || p.Role != want.Role {
				t.Errorf("%s is %+v, error %v", name, p, err)
			}
		}
	}
	if _, err := g.Login(t.Context(), "root", password, "192.0.2.1:1"); !errors.Is(err, ErrWrongCredentials) {
		t.Errorf("a login of a user of the file: %v", err)
	}
	r := basic(t, "ada", password)
	r.Method = http.MethodPost
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if _, err := g.Authenticate(r); !errors.Is(err, ErrForged) {
		t.Errorf("a change that another site causes: %v", err)
	}
	if err := s.SetPassword(t.Context(), "ada", password+"!"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Authenticate(basic(t, "ada", password)); !errors.Is(err, ErrWrongCredentials) {
		t.Errorf("the old password: %v", err)
	}
}

func TestOtherCredentials(t *testing.T) {
	g := guardOf(open(t))
	for name, tc := range map[string]struct {
		header []string
		want   error
	}{
		"none":           {nil, ErrNoCredentials},
		"another cookie": {[]string{"Cookie", "other=x"}, ErrNoCredentials},
		"a wrong cookie": {[]string{"Cookie", CookieName + "=x"}, ErrWrongCredentials},
		"another scheme": {[]string{"Authorization", "Digest x"}, ErrWrongCredentials},
		"no base64":      {[]string{"Authorization", "Basic ="}, ErrWrongCredentials},
	} {
		if _, err := g.Authenticate(ask(t, http.MethodGet, tc.header...)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "llmwatch.db")
	s, other := openAt(t, path), openAt(t, path)
	g := guardOf(s)
	addUser(t, s, "ada", Operator)
	makeToken(t, s, "ci", Viewer, time.Time{})
	makeToken(t, s, "wall", Viewer, time.Time{})
	session, err := g.Login(t.Context(), "ada", password, "192.0.2.1:1")
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(token, func(a, b Token) int { return strings.Compare(a.Name, b.Name) }) // They may be made in the same millisecond.
	held := func(p Principal, err error) context.Context {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := g.Hold(t.Context(), p, ReadMetrics)
		t.Cleanup(stop)

		return ctx
	}
	byToken := held(Principal{Kind: KindToken, key: []byte(token[0].ID)}, nil)
	byOtherToken := held(Principal{Kind: KindToken, key: []byte(token[1].ID)}, nil)
	bySession := held(g.Authenticate(ask(t, http.MethodGet, "Cookie", CookieName+"="+session.Secret)))
	byPassword := held(g.Authenticate(basic(t, "ada", password)))
	ends := func(name string, ctx context.Context) {
		t.Helper()
		select {
		case <-ctx.Done():
		case <-time.After(10 * lookAgain):
			t.Errorf("%s still holds", name)
		}
	}
	if err := other.RevokeToken(t.Context(), "ci"); err != nil {
		t.Fatal(err)
	}
	ends("the revoked token", byToken)
	if bySession.Err() != nil || byPassword.Err() != nil || byOtherToken.Err() != nil {
		t.Error("others end too")
	}
	if err := other.SetRole(t.Context(), "ada", Scrape); err != nil {
		t.Fatal(err)
	}
	ends("the session without the right", bySession)
	ends("the user without the right", byPassword)
	if byOtherToken.Err() != nil {
		t.Error("a change of one role ends others too")
	}
	g.SetPolicy(Policy{ReadMetrics: {Admin}})
	ends("the role without the right", byOtherToken)
}

func TestStreamsOfOneReasonAreLookedAtTogether(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "llmwatch.db"))
	g := guardOf(s)
	makeToken(t, s, "ci", Viewer, time.Time{})
	tokens, err := s.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := Principal{Kind: KindToken, key: []byte(tokens[0].ID)}
	var streams []context.Context
	var stops []func()
	for range 10 {
		ctx, stop := g.Hold(t.Context(), p, ReadMetrics)
		streams, stops = append(streams, ctx), append(stops, stop)
	}
	_, other := g.Hold(t.Context(), p, ManageRules)
	watches := func() int {
		g.holding.mu.Lock()
		defer g.holding.mu.Unlock()

		return len(g.holding.watches)
	}
	if n := watches(); n != 2 {
		t.Errorf("there are %d looks at two reasons", n)
	}
	stops[0]()
	stops[0]() // Again it changes nothing.
	other()
	if err := s.RevokeToken(t.Context(), "ci"); err != nil {
		t.Fatal(err)
	}
	for i, ctx := range streams[1:] {
		select {
		case <-ctx.Done():
		case <-time.After(10 * lookAgain):
			t.Errorf("stream %d still holds", i)
		}
	}
	for _, stop := range stops {
		stop()
	}
	if n := watches(); n != 0 {
		t.Errorf("%d looks go on", n)
	}
}

func TestPolicy(t *testing.T) {
	policy, err := ParsePolicy(map[string][]string{"read_metrics": {"admin", "operator"}, "manage_rules": {}})
	if err != nil {
		t.Fatal(err)
	}
	for role, want := range map[Role]string{
		Admin:    "read_metrics acknowledge_alerts ingest_data scrape_metrics read_configuration",
		Operator: "read_metrics acknowledge_alerts scrape_metrics",
		Viewer:   "scrape_metrics", Ingest: "ingest_data", Scrape: "scrape_metrics", "": "",
	} {
		if got := join(policy.Of(role)); got != want {
			t.Errorf("%s may %s, want %s", role, got, want)
		}
	}
	for name, named := range map[string]map[string][]string{
		`permission must be read_metrics, acknowledge_alerts, manage_rules, ingest_data, scrape_metrics or read_configuration, got "read"`: {"read": {}},
		`read_metrics must hold admin, operator, viewer, ingest or scrape, got "amdin"`:                                                    {"read_metrics": {"amdin"}},
	} {
		if _, err := ParsePolicy(named); err == nil || err.Error() != name {
			t.Errorf("error %v, want %s", err, name)
		}
	}
}

func join(permissions []Permission) string {
	words := make([]string, len(permissions))
	for i, p := range permissions {
		words[i] = string(p)
	}

	return strings.Join(words, " ")
}
