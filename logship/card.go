package logship

import "strconv"

// Card numbers have 13 to 19 digits (ISO/IEC 7812).
const (
	minCardDigits = 13
	maxCardDigits = 19
)

// cardAt returns the card number that starts at the digit i and, if there is
// none, where to go on. Its digits are together, or in groups of 3 to 6 of which
// the first has 4, with one kind of separator.
func cardAt(s string, from, i int) (at span, next int) {
	next = digitsEnd(s, i)
	var digits [maxCardDigits]byte
	count := copy(digits[:], s[i:next])
	switch {
	case !startsNumber(s, from, i):
	case next-i >= minCardDigits:
		if next-i <= maxCardDigits && endsNumber(s, next) && isCard(digits[:count]) {
			at = span{start: i, end: next}
		}
	case next-i == 4 && !followsGroup(s, from, i):
		for end := next; end+1 < len(s) && s[end] == s[next] && (s[end] == ' ' || s[end] == '-'); {
			group := end + 1
			end = digitsEnd(s, group)
			if end-group < 3 || end-group > 6 || count+end-group > maxCardDigits {
				break
			}
			count += copy(digits[count:], s[group:end])
			if endsNumber(s, end) && isCard(digits[:count]) {
				at = span{start: i, end: end}
			}
		}
	}

	return at, next
}

func digitsEnd(s string, i int) int {
	for i < len(s) && isDigit(s[i]) {
		i++
	}

	return i
}

// startsNumber tells whether the digit at i is not within a word or a decimal.
func startsNumber(s string, from, i int) bool {
	return i == from || !isLetter(s[i-1]) && s[i-1] != '_' && s[i-1] != '.'
}

// endsNumber tells the same of a digit before i.
func endsNumber(s string, i int) bool {
	return i == len(s) || !isLetter(s[i]) && s[i] != '_' && (s[i] != '.' || i+1 == len(s) || !isDigit(s[i+1]))
}

// followsGroup tells whether the digit at i goes on with a number in groups.
func followsGroup(s string, from, i int) bool {
	return i-from >= 2 && (s[i-1] == ' ' || s[i-1] == '-') && isDigit(s[i-2])
}

// isCard tells whether the digits, as text, are of a length that their issuer uses
// and have the right check digit.
func isCard(digits []byte) bool {
	if len(digits) < minCardDigits || !isIssued(digits) {
		return false
	}
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			d *= 2
			if d > 9 {
				d -= 9
			}
		}
		sum += d
	}

	return sum%10 == 0
}

func isIssued(digits []byte) bool {
	prefix, n := 0, len(digits)
	for _, d := range digits[:4] {
		prefix = prefix*10 + int(d-'0')
	}
	between := func(low, high int) bool { return prefix >= low && prefix <= high }
	switch {
	case between(4000, 4999): // Visa.
		return n == 13 || n == 16 || n == 19
	case between(5100, 5599), between(2221, 2720): // Mastercard.
		return n == 16
	case between(3400, 3499), between(3700, 3799): // American Express.
		return n == 15
	case between(6011, 6011), between(6440, 6599), between(3528, 3589), between(6200, 6299): // Discover, JCB, UnionPay.
		return n >= 16
	case between(3000, 3059), between(3600, 3699), between(3800, 3999): // Diners Club.
		return n >= 14
	default:
		return false
	}
}

// isCardNumber tells whether a number is one of a card. Lengths that few cards
// and many counters and identifiers have are left out.
func isCardNumber(n uint64) bool {
	if n < 1e13 || n >= 1e16 {
		return false
	}
	var text [maxCardDigits]byte

	return isCard(strconv.AppendUint(text[:0], n, 10))
}
