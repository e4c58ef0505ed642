package notify

import (
	"slices"

	"llmwatch/bridge/alert"
)

// severities in the order of their gravity.
var severities = [...]alert.Severity{alert.Critical, alert.High, alert.Medium, alert.Low}

// rank is the place in severities; what is unknown counts as low.
func rank(s alert.Severity) int {
	if i := slices.Index(severities[:], s); i >= 0 {
		return i
	}

	return len(severities) - 1
}

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
	return [...]string{colorCritical, colorHigh, colorMedium, colorLow}[rank(s)]
}
