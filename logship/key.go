package logship

import "strings"

// truncatedKey marks a line from which something was left out for its length.
const truncatedKey = "logship_truncated"

// loggerKey is the documented field that an attribute may set.
const loggerKey = "logger"

// isReserved tells the documented fields, which no attribute may repeat. The
// field logger is not among them.
func isReserved(key string) bool {
	switch key {
	case "timestamp", "level", "message", "module", "function", "line", "thread", "process", truncatedKey:
		return true
	default:
		return false
	}
}

// member is what is known of a key of an object.
type member struct {
	key       string
	text      []byte // The key as JSON, with a comma before and a colon behind.
	bit       uint64 // One bit of 64: members without one in common differ.
	sensitive bool

	// top is what the member is called among the documented fields, if its key is
	// one of theirs: with an underscore behind.
	top *member
}

// members looks up keys as they come from attributes.
type members struct {
	redactor  *Redactor // Nil if nothing is redacted.
	known     cache[member]
	durations cache[member]
}

// get returns the member for a key.
func (m *members) get(key string) *member {
	known, hash := m.known.find(key)
	if known != nil {
		return known
	}
	if clean := cleanKey(key); clean != key {
		return m.known.store(hash, key, *m.get(clean))
	}
	key = strings.Clone(key)
	found := member{key: key, text: append(AppendString([]byte{','}, key), ':'), bit: 1 << (hash >> 58)}
	found.sensitive = m.redactor != nil && m.redactor.Sensitive(key)
	if isReserved(key) {
		found.top = m.get(key + "_")
	}

	return m.known.store(hash, key, found)
}

// duration returns the member for a key whose value is a number of milliseconds,
// which the key has to say.
func (m *members) duration(key string) *member {
	known, hash := m.durations.find(key)
	if known != nil {
		return known
	}
	if strings.HasSuffix(key, "_ms") {
		return m.durations.store(hash, key, *m.get(key))
	}

	return m.durations.store(hash, key, *m.get(key + "_ms"))
}

// among returns the member as it is called in an object, which may be the entry.
func (m *member) among(top bool) *member {
	if top && m.top != nil {
		return m.top
	}

	return m
}

// cleanKey returns a key of valid UTF-8 and bounded length.
func cleanKey(key string) string {
	if len(key) > maxAttrKeyBytes {
		key = key[:maxAttrKeyBytes]
	}

	return strings.ToValidUTF8(key, "\ufffd")
}
