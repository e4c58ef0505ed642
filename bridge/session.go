package bridge

import (
	"encoding/json"
	"mime"
	"net/http"

	"llmwatch/bridge/metrics"
)

// sessionView is who asks, for the page.
type sessionView struct {
	Authentication string       `json:"authentication"`
	Authenticated  bool         `json:"authenticated"`
	Name           string       `json:"name"`
	Role           string       `json:"role,omitempty"`
	Permissions    []string     `json:"permissions"`
	CSRF           string       `json:"csrf_token,omitempty"`
	Expires        metrics.Time `json:"expires_at,omitzero"`
}

// everything is what callers may do who are not authenticated.
var everything = []string{string(NeedRead), string(NeedAcknowledge), string(NeedManage), string(NeedIngest), string(NeedScrape), string(NeedConfiguration)}

func viewSession(c *Caller) single {
	if c == nil {
		return single{Success: true, Data: sessionView{Authentication: "off", Name: nobody, Permissions: everything}}
	}

	return single{Success: true, Data: sessionView{
		Authentication: "on", Authenticated: true, Name: c.Name, Role: c.Role, Permissions: c.Permissions,
		CSRF: c.CSRF, Expires: metrics.Time{Time: c.Expires},
	}}
}

// session says who the caller is.
func (s *server) session(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")

	return answerJSON(w, viewSession(exchangeOf(r.Context()).caller))
}

// crossOrigin finds logins that a page of somebody else causes.
var crossOrigin = http.NewCrossOriginProtection()

// login begins a session.
func (s *server) login(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if s.Access == nil {
		return ErrAuthenticationOff
	}
	if err := crossOrigin.Check(r); err != nil {
		return &Error{http.StatusForbidden, CodeForbidden, "a login from a page of another origin is refused"}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &Error{http.StatusUnsupportedMediaType, CodeUnsupportedMedia, "the body must be application/json"}
	}
	body, err := readBody(w, r, maxSmallBody)
	if err != nil {
		return err
	}
	var ask struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}
	// What the decoder says may show a part of the body.
	if err := json.Unmarshal(body, &ask); err != nil || ask.Username == "" || ask.Password == "" {
		return &Error{http.StatusBadRequest, CodeBadRequest, "the body must be a JSON object with username and password"}
	}
	caller, err := s.Access.Login(w, r, ask.Username, ask.Password)
	if err != nil {
		return err
	}

	return answerJSON(w, viewSession(caller))
}

// logout ends the caller's session.
func (s *server) logout(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if s.Access == nil {
		return ErrAuthenticationOff
	}
	if err := s.Access.Logout(w, r); err != nil {
		return err
	}

	return answerJSON(w, struct {
		Success bool   `json:"success"`
		Message string `json:"message"`
	}{true, "Logged out"})
}

// ErrAuthenticationOff answers where there are no sessions.
var ErrAuthenticationOff = &Error{http.StatusNotFound, CodeNotFound, "authentication is off; security.api_authentication turns it on"}
