package logship

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// class says what a byte, or all bytes of a text, may mean. The low byte has a bit
// for each pair of secretPairs that the byte may end, the next one for those that
// it may begin.
type class uint32

const (
	pairBits     class = 0xff
	pairShift          = 8
	classAlone   class = 1 << 16 // May be part of a secret whatever is beside it.
	classEscape  class = 1 << 17 // Has to be escaped or checked.
	classDigit   class = 1 << 18
	classTrigger class = 1 << 19 // A rule starts from it.
)

// classOf gives each byte its class. Bytes of a rune outside ASCII count as
// ones to escape, because they have to be checked.
var classOf = func() (table [256]class) {
	for i := range table {
		if i < ' ' || i == '"' || i == '\\' || i >= utf8.RuneSelf {
			table[i] |= classEscape
		}
		if isDigit(byte(i)) {
			table[i] |= classDigit
		}
	}
	for rule, pair := range secretPairs {
		for _, c := range pair.first {
			table[c] |= 1 << (pairShift + rule)
		}
		for _, c := range pair.second {
			table[c] |= 1 << rule
		}
	}
	for _, c := range secretAlone {
		table[c] |= classAlone
	}
	for _, c := range secretTriggers {
		table[c] |= classTrigger
	}

	return table
}()

// classify tells in one pass whether a text has to be escaped and whether it could
// hold a secret. Few texts do either.
func classify(s string) (escape, suspicious bool) {
	var seen, before class
	digits := 0
	for i := range len(s) {
		c := classOf[s[i]]
		seen |= c & (before&pairBits | classAlone | classEscape)
		before = c >> pairShift
		digits += int(c / classDigit & 1)
	}

	return seen&classEscape != 0, seen&(pairBits|classAlone) != 0 || digits >= minCardDigits
}

// AppendString appends s as a JSON string with its quotes, as [Handler] writes it.
// Invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)

	return append(dst, '"')
}

func appendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if classOf[c]&classEscape == 0 {
			i++

			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\ufffd"...)
				start = i + 1
			}
			i += size

			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}

	return append(dst, s[start:]...)
}

// Floats that are a whole number of thousandths, as most measurements are, need no
// search for their shortest decimal. maxThousandths keeps within the 15 digits
// that a float64 tells apart.
const (
	thousandths    = 1000
	maxThousandths = 1e15
)

// appendFloat appends a number as encoding/json does. JSON has no number for
// NaN and the infinities: they become the strings "NaN", "+Inf" and "-Inf".
func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		dst = append(dst, '"')
		dst = strconv.AppendFloat(dst, f, 'g', -1, bits)

		return append(dst, '"')
	}
	if n := int64(f * thousandths); bits == 64 && float64(n)/thousandths == f && n > -maxThousandths && n < maxThousandths {
		// With so few digits this decimal is the shortest one that means f.
		return appendDecimal(dst, n < 0, uint64(max(n, -n)), thousandths)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}

	return strconv.AppendFloat(dst, f, format, -1, bits)
}

// appendMilliseconds appends a duration as an exact decimal number of
// milliseconds, 150.5 say.
func appendMilliseconds(dst []byte, d time.Duration) []byte {
	n := uint64(d)
	if d < 0 {
		n = -n
	}

	return appendDecimal(dst, d < 0, n, uint64(time.Millisecond))
}

// appendDecimal appends n/unit, of which unit is a power of ten.
func appendDecimal(dst []byte, negative bool, n, unit uint64) []byte {
	if negative {
		dst = append(dst, '-')
	}
	dst = strconv.AppendUint(dst, n/unit, 10)
	fraction := n % unit
	if fraction == 0 {
		return dst
	}
	dst = append(dst, '.')
	for fraction > 0 {
		unit /= 10
		dst = append(dst, byte('0'+fraction/unit))
		fraction %= unit
	}

	return dst
}

// appendTime appends a time in the documented form, in quotes: RFC 3339 in UTC
// with milliseconds, 2024-01-15T10:30:45.123Z.
func appendTime(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, `"2006-01-02T15:04:05.000Z"`)
}
