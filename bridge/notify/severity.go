package notify

import "llmwatch/bridge/alert"

// The colours of messages. White text is readable on each of them (contrast of
// 4.5 or more).
const (
	colorCritical = "#b71c1c"
	colorHigh     = "#bf4500"
	colorMedium   = "#8a6100"
	colorLow      = "#1d5fa8"
	colorResolved = "#1f7a33"
	colorNeutral  = "#4a5568"
)

func color(s alert.Severity) string {
	return [...]string{colorCritical, colorHigh, colorMedium, colorLow}[s.Rank()]
}
