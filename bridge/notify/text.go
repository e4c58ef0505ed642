package notify

import "llmwatch/bridge/alert"

// Line makes one line of at most most bytes of s, as alert.PlainText does.
func Line(s string, most int) string { return alert.PlainText(s, most) }

// Lines is like Line but keeps line breaks and tabs.
func Lines(s string, most int) string { return alert.PlainLines(s, most) }

// Truncate cuts s to at most most bytes, as alert.Truncate does.
func Truncate(s string, most int) string { return alert.Truncate(s, most) }
