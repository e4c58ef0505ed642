package engine

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Bounds of a regular expression. Compiling takes memory, and matching each label
// value takes time, in proportion to the number of instructions that it becomes.
const (
	maxRegexpBytes        = 16 << 10
	maxRegexpLiteralBytes = maxExprBytes // Names joined by |, which are looked up in a table.
	maxRegexpLiteralSize  = 16_000       // Instructions of one without repetitions.
	maxRegexpSize         = 2000         // Instructions of any other.
	maxRegexpClasses      = 20           // Named character classes, each a large table.
	maxRegexpFolded       = 40           // Classes of one that ignores case.
)

var ignoresCase = regexp.MustCompile(`\(\?[a-zA-Z]*i`)

// checkRegexp reports which bound a pattern exceeds, before anything compiles it.
func checkRegexp(pattern string) error {
	if !strings.ContainsAny(pattern, `\.+*?()[]{}^$`) {
		if len(pattern) > maxRegexpLiteralBytes {
			return boundErrorf("a regular expression is %d bytes long, more than the %d that are permitted", len(pattern), maxRegexpLiteralBytes)
		}

		return nil
	}
	if len(pattern) > maxRegexpBytes {
		return boundErrorf("a regular expression is %d bytes long, more than the %d that are permitted; join plain names with | or match on another label", len(pattern), maxRegexpBytes)
	}
	named := strings.Count(pattern, `\p`) + strings.Count(pattern, `\P`)
	if named > maxRegexpClasses || (ignoresCase.MatchString(pattern) && named+strings.Count(pattern, "[") > maxRegexpFolded) {
		return boundErrorf("a regular expression has too many character classes (%d named ones are permitted, %d where case is ignored)", maxRegexpClasses, maxRegexpFolded)
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl|syntax.DotNL)
	if err != nil {
		return nil //nolint:nilerr // Whoever compiles it says what is wrong.
	}
	limit := maxRegexpSize
	if !repeats(parsed) {
		limit = maxRegexpLiteralSize
	}
	if size := regexpSize(parsed); size > float64(limit) {
		return boundErrorf("a regular expression becomes %.0f instructions, more than the %d that are permitted; use fewer repetitions and alternatives", size, limit)
	}

	return nil
}

// regexpSize is how many instructions an expression becomes, once repetitions are
// written out.
func regexpSize(re *syntax.Regexp) float64 {
	size := 1.0
	switch re.Op {
	case syntax.OpLiteral:
		size = float64(len(re.Rune))
	case syntax.OpCharClass:
		size += float64(len(re.Rune)) / 8
	default:
	}
	for _, sub := range re.Sub {
		size += regexpSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= float64(max(re.Min, re.Max) + 1)
	}

	return size
}

// repeats tells whether any part of an expression may occur several times.
func repeats(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat, syntax.OpQuest:
		return true
	default:
	}

	return slices.ContainsFunc(re.Sub, repeats)
}
