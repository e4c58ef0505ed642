package logstore

import (
	"time"

	"llmwatch/bridge/logstore/disk"
)

// Tune sets what only tests set.
func (c *Config) Tune(fs disk.FS, headRows int, tick time.Duration) {
	c.fs, c.headRows, c.tick = fs, headRows, tick
}
