package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
)

// OriginKind says by which way an alert comes.
type OriginKind string

// The kinds of origins.
const (
	// FromRule is what the metrics server that llmwatch polls evaluates.
	FromRule OriginKind = "rule"
	// FromPush is what somebody sent.
	FromPush OriginKind = "push"
)

// Origin says who tells of an alert. Only the same origin may change or end it.
type Origin struct {
	Kind OriginKind `json:"kind"`
	// Source is the metrics server of a rule (its address without credentials, or
	// SourceEmbedded), or the interface that a push came by.
	Source string `json:"source,omitempty"`
	// Principal is the token or user that pushed it; empty where callers are not
	// authenticated.
	Principal string `json:"principal,omitempty"`
}

// Identity tells alerts apart: at most one alert of it is not resolved. Two
// alerts are the same where a rule of the polled server gives both, or the same
// principal pushes both, and their labels are equal. Neither the server's address
// nor the interface belongs to it: a server may move, and who pushes by both ways
// tells of one alert.
//
// The labels count by a strong hash. Those of another alert can be made to have
// the same Fingerprint, and who can push must not reach an alert that way.
func (o Origin) Identity(labels map[string]string) string {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		for _, text := range []string{name, labels[name]} {
			hash.Write([]byte(text))
			hash.Write([]byte{labelSeparator})
		}
	}

	return string(o.Kind) + "/" + o.Principal + "/" + hex.EncodeToString(hash.Sum(nil))
}

// Identity is that of the alert.
func (a *Alert) Identity() string { return a.Origin.Identity(a.Labels) }

// The sources that are not addresses.
const (
	SourceEmbedded = "embedded" // The engine inside llmwatch.
	SourceV2       = "api_v2"   // Alertmanager's API v2.
	SourceWebhook  = "webhook"  // Alertmanager's webhook.
	SourceSelf     = "llmwatch" // What llmwatch says of itself.
)

// String is the origin in words, as timelines have it.
func (o Origin) String() string {
	switch {
	case o.Kind == FromPush && o.Principal != "":
		return "pushed by " + o.Principal + " (" + o.Source + ")"
	case o.Kind == FromPush && o.Source != "":
		return "pushed (" + o.Source + ")"
	case o.Kind == FromPush:
		return "pushed"
	case o.Source == SourceEmbedded || o.Source == "":
		return "a rule"
	default:
		return "a rule of " + o.Source
	}
}
