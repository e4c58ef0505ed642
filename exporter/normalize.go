package exporter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a normalised route.
const (
	maxRouteBytes    = 100
	maxRouteSegments = 8
	maxSegmentBytes  = 40
)

const (
	idSegment   = "{id}"
	restSegment = "{rest}"
)

// NormalizeRoute makes a route of a raw path: what names one object (numbers,
// UUIDs, ULIDs, hexadecimal and random ids, hashes in file names, dates, IP and
// e-mail addresses, tokens) becomes {id}, and words and versions stay, so that
// /api/v1/users/42 becomes /api/v1/users/{id}. It guesses: a template from the
// router is always better.
//
// The result begins with a slash (but for "*", the target of OPTIONS), is valid
// UTF-8, has at most 8 segments in 100 bytes, what is beyond them having become
// {rest}, and is its own normalisation.
func NormalizeRoute(path string) string {
	if end := strings.IndexAny(path, "?#"); end >= 0 {
		path = path[:end]
	}
	if path == "*" || isNormalized(path) {
		return path
	}
	var route strings.Builder
	segments, fits := 0, 0 // fits is how much of route leaves room for /{rest}.
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" {
			continue
		}
		if namesObject(segment) {
			segment = idSegment
		}
		segments++
		if segments > maxRouteSegments || route.Len()+1+len(segment) > maxRouteBytes {
			return route.String()[:fits] + "/" + restSegment
		}
		route.WriteByte('/')
		route.WriteString(segment)
		if segments < maxRouteSegments && route.Len() <= maxRouteBytes-len("/"+restSegment) {
			fits = route.Len()
		}
	}
	if segments == 0 {
		return "/"
	}

	return route.String()
}

// isNormalized tells, without allocating, whether nothing in path is to be
// changed.
func isNormalized(path string) bool {
	if path == "/" {
		return true
	}
	if len(path) < 2 || len(path) > maxRouteBytes || path[0] != '/' {
		return false
	}
	segments := 0
	for segment := range strings.SplitSeq(path[1:], "/") {
		segments++
		if segment == "" || segments > maxRouteSegments || namesObject(segment) {
			return false
		}
	}

	return true
}

// namesObject tells whether a path segment looks like the name of one of many
// objects, not like a word of the API.
func namesObject(segment string) bool {
	if isPlaceholder(segment) {
		return false
	}
	if len(segment) > maxSegmentBytes || !utf8.ValidString(segment) {
		return true
	}
	if strings.IndexByte(segment, '@') > 0 || strings.Count(segment, ":") > 1 {
		return true // An e-mail address; an IPv6 address or a time.
	}
	if strings.ContainsFunc(segment, isNoWordRune) {
		return true
	}
	if isVersion(segment) {
		return false
	}
	if isNumeric(segment) {
		return true
	}
	for token := range strings.FieldsFuncSeq(segment, isSeparator) {
		if isID(token, len(token) < len(segment)) {
			return true
		}
	}

	// A UUID or hash may have groups of letters only.
	return len(segment) >= 32 && !strings.ContainsFunc(segment, func(r rune) bool { return !isHex(r) && r != '-' })
}

// isPlaceholder accepts {name}.
func isPlaceholder(segment string) bool {
	if len(segment) < 3 || len(segment) > maxSegmentBytes || segment[0] != '{' || segment[len(segment)-1] != '}' {
		return false
	}

	return !strings.ContainsFunc(segment[1:len(segment)-1], func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// isNoWordRune tells whether no word of an API contains r. Equals and plus
// signs are those of base64.
func isNoWordRune(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.~:@!$&'()*,;", r)
}

func isSeparator(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
}

// isVersion accepts v1, V2, v1.2, v1beta2 and the like.
func isVersion(segment string) bool {
	if len(segment) < 2 || len(segment) > 12 || segment[0]|0x20 != 'v' || segment[1] < '0' || segment[1] > '9' {
		return false
	}
	rest := strings.TrimLeft(segment[1:], "0123456789.")
	if len(segment)-len(rest) > 9 {
		return false
	}
	for _, stage := range []string{"alpha", "beta", "rc"} {
		rest = strings.TrimPrefix(rest, stage)
	}

	return strings.Trim(rest, "0123456789") == "" && len(rest) <= 2
}

// isNumeric accepts numbers, dates, times and IPv4 addresses: digits and what
// stands between them.
func isNumeric(segment string) bool {
	if digits := strings.TrimLeft(segment, "+-"); digits == "" || !unicode.IsDigit(rune(digits[0])) {
		return false
	}

	return !strings.ContainsFunc(segment, func(r rune) bool {
		return (r < '0' || r > '9') && !strings.ContainsRune("+-.:,_TZ", r)
	})
}

// isID judges one token, a run of letters and digits. Inside a longer segment a
// number may be part of a name (gpt-4), from three digits on it is an id.
func isID(token string, inside bool) bool {
	var digits, runs, upper, lower, hexadecimal, others int
	var previous bool
	for _, r := range token {
		digit := unicode.IsDigit(r)
		switch {
		case digit:
			digits++
			if !previous {
				runs++
			}
		case r >= 'a' && r <= 'z':
			lower++
		case r >= 'A' && r <= 'Z':
			upper++
		default:
			others++ // A letter of another script.
		}
		if isHex(r) {
			hexadecimal++
		}
		previous = digit
	}
	length := digits + upper + lower + others
	switch {
	case digits == 0:
		return length >= 32 // No word is that long.
	case digits == length:
		return !inside || digits >= 3
	case others > 0:
		return runs > 1
	case length >= 8 && (hexadecimal == length || runs > 1 || digits > 4):
		return true
	default: // Random letters with a digit among them.
		return length >= 20 || length >= 16 && (upper == 0) != (lower == 0) && digits > 1
	}
}

func isHex(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F'
}
