package exporter

// traceparent is what this package needs of a traceparent header.
type traceparent struct {
	traceID string // 32 hexadecimal digits.
	sampled bool
}

// parseTraceparent reads the value of a traceparent header as W3C Trace Context
// defines it: version, trace id, parent id and flags, in lower-case hexadecimal.
// A later version may go on after a further dash.
func parseTraceparent(header string) (traceparent, bool) {
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if len(header) < length || header[2] != '-' || header[35] != '-' || header[52] != '-' {
		return traceparent{}, false
	}
	version, traceID, parentID, flags := header[:2], header[3:35], header[36:52], header[53:55]
	switch {
	case !isLowerHex(version) || version == "ff":
		return traceparent{}, false
	case len(header) > length && (version == "00" || header[length] != '-'):
		return traceparent{}, false
	case !isLowerHex(traceID) || isZero(traceID):
		return traceparent{}, false
	case !isLowerHex(parentID) || isZero(parentID):
		return traceparent{}, false
	case !isLowerHex(flags):
		return traceparent{}, false
	}
	last := flags[1] // The lowest bit of the flags is the lowest of this digit.
	if last >= 'a' {
		last = last - 'a' + 10
	}

	return traceparent{traceID: traceID, sampled: last&1 == 1}, true
}

func isLowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}

	return true
}

func isZero(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return false
		}
	}

	return true
}
