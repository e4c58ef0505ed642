package alert

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

// InferOrigin fills in the origin of an alert that was stored before alerts had
// one.
func (a *Alert) InferOrigin() {
	switch {
	case a.Origin.Kind != "":
	case a.Polled:
		a.Origin.Kind = FromRule
	default:
		a.Origin.Kind = FromPush
	}
}

// The sources that are not addresses.
const (
	SourceEmbedded = "embedded" // The engine inside llmwatch.
	SourceV2       = "api_v2"   // Alertmanager's API v2.
	SourceWebhook  = "webhook"  // Alertmanager's webhook.
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
