package bridge

import "net/http"

// Setting is one thing that can be set, and what it is. Whoever makes it hides
// what is secret.
type Setting struct {
	Key     string `json:"key"`
	Value   string `json:"value"` // In force.
	Default string `json:"default"`
	Origin  string `json:"origin"` // Of Value.
	// Pending is what it will be after a restart, nil where that changes nothing.
	Pending     *string `json:"pending"`
	Reload      bool    `json:"reload"`
	Secret      bool    `json:"secret"`
	Description string  `json:"description"`
}

// configuration shows what is set.
func (s *server) configuration(w http.ResponseWriter, _ *http.Request) error {
	settings := s.Configuration()

	return answerJSON(w, list{Success: true, Data: settings, Count: len(settings)})
}
