package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge"
	"llmwatch/internal/auth"
	"llmwatch/internal/quota"
)

// access lets callers into the bridge by what internal/auth knows of them.
type access struct {
	guard   *auth.Guard   // Nil where callers are not authenticated.
	auditor *auth.Auditor // Nil where nothing is recorded.
	// secure says that people reach this llmwatch by https, whoever ends it.
	secure bool
	logger *slog.Logger
	// refused counts who was not let in.
	refused *prometheus.CounterVec
}

func newAccess(secure bool, logger *slog.Logger, registry prometheus.Registerer) *access {
	a := &access{secure: secure, logger: logger, refused: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llmwatch_access_refused_total",
		Help: "Requests that were refused, by reason: no_credentials, wrong_credentials, forged, no_permission, throttled, busy or unchecked.",
	}, []string{"reason"})}
	registry.MustRegister(a.refused)

	return a
}

// anonymous is who acts where nobody is known.
const anonymous = "anonymous"

var errNoPermission = errors.New("no permission")

// Admit implements bridge.Access.
func (a *access) Admit(w http.ResponseWriter, r *http.Request, route string, need bridge.Need) (bridge.Visit, error) {
	visit := bridge.Visit{Request: r}
	var p auth.Principal
	if a.guard != nil {
		var err error
		p, err = a.guard.Authenticate(r)
		if err == nil && need != bridge.NeedCaller && !a.guard.Policy().Allows(p.Role, auth.Permission(need)) {
			err = errNoPermission
		}
		if errors.Is(err, context.Canceled) {
			return visit, err // Whoever has left is neither let in nor refused.
		}
		if err != nil {
			refused := a.refuse(w, r, err, p.Role, need)
			a.note(w, r, p, route, need, refused.Status)

			return visit, refused
		}
		visit.Caller = a.caller(p)
	}
	visit.Request = r.WithContext(quota.WithPrincipal(r.Context(), principal(p, r)))
	r = visit.Request
	if !bridge.Endless(route) {
		visit.Done = func(status int) { a.note(w, r, p, route, need, status) }

		return visit, nil
	}
	a.note(w, r, p, route, need, 0) // It is told when it begins: nobody knows when it ends.
	if a.guard != nil {
		held, stop := a.guard.Hold(r.Context(), p, auth.Permission(need))
		visit.Request, visit.Done = r.WithContext(held), func(int) { stop() }
	}

	return visit, nil
}

func (a *access) caller(p auth.Principal) *bridge.Caller {
	may := a.guard.Policy().Of(p.Role)
	permissions := make([]string, len(may))
	for i, permission := range may {
		permissions[i] = string(permission)
	}

	return &bridge.Caller{Name: p.Name, User: p.Kind != auth.KindToken, Role: string(p.Role), Permissions: permissions, CSRF: p.CSRF, Expires: p.Expires}
}

// refuse makes an answer of the reason why somebody is not let in.
func (a *access) refuse(w http.ResponseWriter, r *http.Request, err error, role auth.Role, need bridge.Need) *bridge.Error {
	reason, refused := "", &bridge.Error{}
	var throttled *auth.ThrottledError
	switch {
	case errors.Is(err, auth.ErrNoCredentials):
		w.Header().Set("WWW-Authenticate", `Bearer realm="llmwatch"`)
		reason, refused.Status, refused.Code = "no_credentials", http.StatusUnauthorized, bridge.CodeUnauthenticated
		refused.Message = "credentials are needed: a token in the header Authorization: Bearer, or a login at " + bridge.Base + "/login"
	case errors.Is(err, auth.ErrWrongCredentials):
		w.Header().Set("WWW-Authenticate", `Bearer realm="llmwatch", error="invalid_token"`)
		reason, refused.Status, refused.Code = "wrong_credentials", http.StatusUnauthorized, bridge.CodeUnauthenticated
		refused.Message = "the credentials are wrong, expired or revoked"
	case errors.As(err, &throttled):
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(throttled.RetryAfter.Seconds()))))
		reason, refused.Status, refused.Code = "throttled", http.StatusTooManyRequests, bridge.CodeTooMany
		refused.Message = "there were too many wrong credentials; try again later"
	case errors.Is(err, auth.ErrBusy):
		w.Header().Set("Retry-After", strconv.Itoa(int(auth.RetryBusy.Seconds())))
		reason, refused.Status, refused.Code = "busy", http.StatusTooManyRequests, bridge.CodeTooMany
		refused.Message = "too many passwords are being checked; try again in a moment"
	case errors.Is(err, auth.ErrForged):
		reason, refused.Status, refused.Code = "forged", http.StatusForbidden, bridge.CodeForbidden
		refused.Message = "a change needs the session's csrf_token in the header " + auth.CSRFHeader + ", and comes from this page"
	case errors.Is(err, errNoPermission):
		reason, refused.Status, refused.Code = "no_permission", http.StatusForbidden, bridge.CodeForbidden
		refused.Message = "the role " + string(role) + " does not have the permission " + string(need)
	default:
		a.logger.WarnContext(r.Context(), "credentials cannot be checked", "err", err)
		reason, refused.Status, refused.Code = "unchecked", http.StatusServiceUnavailable, bridge.CodeInternal
		refused.Message = "credentials cannot be checked at the moment; the log tells more"
	}
	a.refused.WithLabelValues(reason).Inc()

	return refused
}

// Login implements bridge.Access.
func (a *access) Login(w http.ResponseWriter, r *http.Request, username, password string) (*bridge.Caller, error) {
	const route = bridge.Base + "/login"
	if a.guard == nil {
		return nil, bridge.ErrAuthenticationOff
	}
	session, err := a.guard.Login(r.Context(), username, password, r.RemoteAddr)
	if err != nil {
		refused := a.refuse(w, r, err, "", bridge.NeedNothing)
		w.Header().Del("WWW-Authenticate") // A login is not tried again by itself.
		e := a.entry(w, r, auth.Principal{}, route, refused.Status)
		if e.Target = "an unknown user"; a.guard.Knows(r.Context(), username) {
			e.Target = username
		}
		a.gather(r.Context(), e)
		if refused.Status == http.StatusUnauthorized {
			refused.Message = "username or password is wrong"
		}

		return nil, refused
	}
	a.record(r.Context(), a.entry(w, r, session.Principal, route, http.StatusOK))
	http.SetCookie(w, a.cookie(r, session.Secret, int(time.Until(session.Expires).Seconds())))

	return a.caller(session.Principal), nil
}

// Logout implements bridge.Access.
func (a *access) Logout(w http.ResponseWriter, r *http.Request) error {
	if a.guard == nil {
		return bridge.ErrAuthenticationOff
	}
	p, err := a.guard.Authenticate(r)
	if err != nil {
		return a.refuse(w, r, err, "", bridge.NeedCaller)
	}
	if err := a.guard.Logout(r.Context(), p); err != nil {
		return err
	}
	http.SetCookie(w, a.cookie(r, "", -1))

	return nil
}

func (a *access) cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: auth.CookieName, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: a.secure || r.TLS != nil,
	}
}

// note records a request to a route. Changes are on disk before they are
// answered, and the rest soon afterwards.
func (a *access) note(w http.ResponseWriter, r *http.Request, p auth.Principal, route string, need bridge.Need, status int) {
	if a.auditor == nil {
		return
	}
	e := a.entry(w, r, p, route, status)
	if e.Outcome != auth.OutcomeDenied && changes(r.Method, route, need) {
		a.record(r.Context(), e)
		return
	}
	a.gather(r.Context(), e)
}

// changes reports whether a request changes what people decided. Data that
// programs push is not that.
func changes(method, route string, need bridge.Need) bool {
	if method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions {
		return false
	}

	return need == bridge.NeedAcknowledge || need == bridge.NeedManage || route == bridge.Base+"/logout"
}

func (a *access) record(ctx context.Context, e auth.Entry) {
	if a.auditor != nil {
		a.auditor.Record(ctx, e)
	}
}

func (a *access) gather(ctx context.Context, e auth.Entry) {
	if a.auditor != nil {
		a.auditor.Gather(ctx, e)
	}
}

// maxTarget bounds what a path adds to the trail.
const maxTarget = 200

func (a *access) entry(w http.ResponseWriter, r *http.Request, p auth.Principal, route string, status int) auth.Entry {
	e := auth.Entry{
		At: auth.Time{Time: time.Now()}, Actor: cmp.Or(p.Name, anonymous), Kind: p.Kind, Role: p.Role,
		Action: bridge.Method(r.Method) + " " + route, Outcome: auth.OutcomeOK, Status: status,
		RequestID: w.Header().Get("X-Request-ID"),
	}
	e.From, _, _ = net.SplitHostPort(r.RemoteAddr)
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests:
		e.Outcome = auth.OutcomeDenied
	case status >= http.StatusBadRequest:
		e.Outcome = auth.OutcomeFailed
	}
	// Strangers do not choose what is kept.
	if p.Kind != "" && r.URL.Path != route && strings.HasPrefix(route, "/") {
		e.Target = strings.ToValidUTF8(r.URL.Path[:min(len(r.URL.Path), maxTarget)], "")
	}

	return e
}
