package app

import (
	"slices"

	"llmwatch/bridge"
	"llmwatch/internal/settings"
)

// origins says where the values of a configuration came from.
func (c *Config) origins(schema *settings.Schema) *settings.Loaded {
	if c.loaded != nil {
		return c.loaded
	}

	return schema.Given(c)
}

// configuration is what is in force: what can be reloaded as the newest reload
// left it, everything else as it was at the start.
func (r *reloader) configuration() []bridge.Setting {
	r.mu.Lock()
	current := r.current
	r.mu.Unlock()
	_, pending := r.schema.Changes(r.started, current)
	atStart, now := r.started.origins(r.schema), current.origins(r.schema)
	all := r.schema.Settings(r.started.command)
	shown := make([]bridge.Setting, len(all))
	for i, s := range all {
		value, origin := now.Value(s.Key)
		shown[i] = bridge.Setting{
			Key: s.Key, Default: r.schema.Default(s), Reload: s.Reload, Secret: s.Secret, Description: s.Help,
		}
		if slices.Contains(pending, s.Key) {
			shown[i].Pending = new(value)
			value, origin = atStart.Value(s.Key)
		}
		shown[i].Value, shown[i].Origin = value, origin.String()
	}

	return shown
}
