package logstore

import (
	"time"

	"llmwatch/bridge/logstore/disk"
)

// Tune sets what only tests set.
func (c *Config) Tune(fs disk.FS, headRows int, tick time.Duration) {
	c.fs, c.headRows, c.tick = fs, headRows, tick
}

// Template is what statistics take messages for the same by.
func Template(message string) string { return string(appendTemplate(nil, message)) }
