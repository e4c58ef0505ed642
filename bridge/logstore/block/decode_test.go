package block

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestIntsComeBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	c := newCoder()
	for name, next := range map[string]func(i int) uint64{
		"equal":      func(int) uint64 { return 7 },
		"rising":     func(i int) uint64 { return 1e18 + uint64(i)*1e6 },
		"jitter":     func(i int) uint64 { return 1e18 + uint64(i*40+rng.IntN(20))*1e6 },
		"random":     func(int) uint64 { return rng.Uint64() },
		"skewed":     func(int) uint64 { return uint64(math.Exp(rng.NormFloat64() * 4)) },
		"extremes":   func(i int) uint64 { return uint64(i%2) * math.MaxUint64 },
		"falling":    func(i int) uint64 { return math.MaxUint64 - uint64(i) },
		"mostly one": func(int) uint64 { return uint64(rng.IntN(20) / 19) },
	} {
		for _, n := range []int{0, 1, 2, 3, 31, 32, 1000, 8192, 100_000} {
			v := make([]uint64, n)
			for i := range v {
				v[i] = next(i)
			}
			r := newReader(c.putInts(nil, v), &memory{})
			if got := r.ints(n); r.failed || len(r.b) > 0 || !slices.Equal(got, v) {
				t.Errorf("%s: %d numbers do not come back", name, n)
			}
		}
	}
}

func TestNumbersAreThoseWhoseTextComesBack(t *testing.T) {
	for text, scale := range map[string]int{"0": 0, "-1": 0, "1.5": 1, "0.05": 2, "-0.5": 1, "999999999999999999": 0} {
		if _, ok := parseNumber([]byte(text), scale); !ok {
			t.Errorf("%s is not taken for a number", text)
		}
	}
	for _, text := range []string{"", "-", "-0", "-0.0", "00", "01.5", "+1", "1e5", ".5", "5.", "1.2.3", "9999999999999999999", "0x1"} {
		if x, ok := parseNumber([]byte(text), 1); ok {
			t.Errorf("%s is taken for the number %d", text, x)
		}
	}
}

func TestLinesAreTakenApartAtNumbersAndIdentifiers(t *testing.T) {
	for text, want := range map[string]string{
		"took 12.5 ms":           "took \x01 ms",
		"10.0.3.17:5432 refused": "\x01.\x01.\x01.\x01:\x01 refused",
		"lr=2.000e-04":           "lr=\x01.\x01-\x01",
		"req-0ff1ce is é9":       "req-\x01 is é\x01",
		"v1.":                    "\x01.",
	} {
		var v values
		v.add([]byte(text))
		var l lines
		l.split(&v)
		if len(l.templates) != 1 || l.templates[0].text != want {
			t.Errorf("%q is of the templates %+v, want %q", text, l.templates, want)
		}
	}
}

func TestNoLiteralIsRequiredThatIsNot(t *testing.T) {
	for pattern, want := range map[string]string{
		"timeout": "timeout", "a(bcd)+e": "a bcd e", "(?i)aBc": "abc", "(?i)größe": "", "abc|abd": "ab *1", "abc|(d|e)": "[abc][*1]", "abc|.": "", "a(bc|(?i)de)": "a [bc][de]", "[0-9]{3}x?[0-9]y[é-ê]": "*3 *1 y", "[ab]+[ab][bc]": "*2 *1", "x*": "", "(foo)?barr": "barr", "a{2,3}bc": "a a bc", "^yes$": "yes", "(": "",
	} {
		if got := describe(required(pattern)); got != want {
			t.Errorf("%q requires %q, want %q", pattern, got, want)
		}
	}
}

func describe(needs []need) string {
	var list []string
	for _, n := range needs {
		var text strings.Builder
		text.WriteString(n.text)
		if n.class != nil {
			fmt.Fprintf(&text, "*%d", n.length)
		}
		for _, one := range n.anyOf {
			text.WriteString("[" + describe(one) + "]")
		}
		list = append(list, text.String())
	}

	return strings.Join(list, " ")
}

// FuzzPattern compares what a pattern requires with what it matches.
func FuzzPattern(f *testing.F) {
	f.Add("(?i)k(a|b)+s", "xKabS")
	f.Add("(?i)k", "\u212a")
	f.Add("(a.c)+b{2}", "abcbb")
	f.Add("[ab]{3,}c|[0-9]x?[0-9]", "abbac")
	f.Add("x(foo|(?i)bar|b.z)y", "xBARy")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := regexp.Compile(pattern)
		if err != nil || !utf8.ValidString(text) || !re.MatchString(text) {
			return
		}
		q := patternTest(re)
		if !q.match([]byte(text)) {
			t.Fatalf("%q is said not to match %q", pattern, text)
		}
		if !possible(constTexts(text).may, q.needs) {
			t.Fatalf("%q is said to be impossible in %q", pattern, text)
		}
	})
}

// FuzzTexts decodes arbitrary bytes as a column.
func FuzzTexts(f *testing.F) {
	c := newCoder()
	rng := rand.New(rand.NewPCG(1, 1))
	for _, line := range []string{"a", "req-%", "took % ms\nor %", "%.5", "%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%"} {
		var v values
		for range 200 {
			text := []byte(line)
			for i := range text {
				if text[i] == '%' {
					text[i] = "0123456789abcdef"[rng.IntN(16)]
				}
			}
			v.add(text)
		}
		f.Add(c.putTexts(nil, &v, allowDict|allowTemplate), uint16(200))
	}
	f.Fuzz(func(_ *testing.T, data []byte, n uint16) {
		count := int(n) % (maxRows + 1)
		r := newReader(data, &memory{})
		column := r.texts(count)
		if r.failed {
			return
		}
		total := 0
		for i := range count {
			total += len(column.append(nil, i))
			if total > 1<<24 {
				return
			}
		}
		column.may(run{"a1", true})
		q := textTest{equal: []string{"a"}, match: func(b []byte) bool { return string(b) == "a" }}
		if test, same := q.over(column); test != nil && !same {
			for i := range count {
				test(i)
			}
		}
	})
}

// FuzzColumn encodes the lines of a text and decodes them again.
func FuzzColumn(f *testing.F) {
	f.Add(strings.Repeat("1\x002\x0012.5\x00", 50), "\x00")
	f.Add(strings.Repeat("a 1 b\nc 2\x00", 20)+strings.Repeat("f00\x00f11\x00", 30), "\x00")
	f.Fuzz(func(t *testing.T, text, separator string) {
		var v values
		for part := range strings.SplitSeq(text, separator) {
			v.add([]byte(part))
		}
		if v.len() > maxRows {
			return
		}
		r := newReader(newCoder().putTexts(nil, &v, allowDict|allowTemplate), &memory{})
		column := r.texts(v.len())
		if r.failed || len(r.b) > 0 {
			t.Fatal("does not decode")
		}
		for i := range v.at {
			if got := column.append(nil, i); !bytes.Equal(got, v.get(i)) {
				t.Fatalf("text %d is %q, want %q", i, got, v.get(i))
			}
			for _, fold := range []bool{false, true} {
				text := v.get(i)
				if fold {
					text = bytes.ToLower(text)
				}
				for _, r := range runsOf(literal{string(text), fold}) {
					if !column.may(r) {
						t.Fatalf("%q is denied to be in %q", r.text, v.get(i))
					}
				}
			}
		}
	})
}

// FuzzDirectory decodes arbitrary bytes as a directory and as a summary.
func FuzzDirectory(f *testing.F) {
	s := summary{info: Info{MaxTime: 9, Rows: 3, Counts: []Count{{"a", 1, 3}}}, names: []fieldName{{"x", true}}}
	f.Add(s.append(nil))
	f.Fuzz(func(_ *testing.T, data []byte) {
		r := newReader(data, &memory{})
		if got := r.summary(); !r.failed {
			newReader(data, &memory{}).directory(&got)
		}
		newReader(data, &memory{}).directory(&s)
	})
}
