package block

import (
	"slices"
	"strings"

	"llmwatch/bridge/logstore/entry"
)

// query is a filter prepared for columns.
type query struct {
	*entry.Filter
	pattern *textTest
	words   []*textTest
	fields  []fieldTest
}

// textTest is what a text must be. needs and equal only save work: match decides.
type textTest struct {
	match func(text []byte) bool
	needs []need   // What a text that matches contains.
	equal []string // The texts that match, where those are few.
}

// fieldTest wants a field to be one of some texts.
type fieldTest struct {
	textTest
	name   string
	absent bool // Entries without the field pass.
}

// newQuery prepares what the block as a whole is asked; prepare does the rest.
func newQuery(f *entry.Filter) *query {
	q := &query{Filter: f}
	for _, m := range f.Fields {
		q.fields = append(q.fields, fieldTest{name: m.Name, absent: slices.Contains(m.Values, ""), textTest: textTest{
			equal: m.Values, match: func(text []byte) bool { return slices.Contains(m.Values, view(text)) },
		}})
	}

	return q
}

// prepare makes q ready for chunks.
func (q *query) prepare() {
	if q.Pattern != nil {
		q.pattern = patternTest(q.Pattern)
	}
	for _, word := range q.Words {
		q.words = append(q.words, &textTest{
			needs: []need{needLiteral(strings.ToLower(word), true)},
			match: func(text []byte) bool { return entry.HasWord(view(text), word) },
		})
	}
}

// rowTest reports whether a row passes; a nil one lets all pass.
type rowTest func(row int) bool

func never(int) bool { return false }

// over returns the test of the texts of t, by their index, and whether the result is
// the same for all.
func (q *textTest) over(t texts) (test rowTest, same bool) {
	var scratch []byte
	each := func(i int) bool {
		scratch = t.append(scratch[:0], i)

		return q.match(scratch)
	}
	switch t := t.(type) {
	case constTexts:
		if q.match(t) {
			return nil, true
		}

		return never, true
	case *dictTexts:
		return q.overDict(t)
	case *packedTexts:
		if len(q.equal) > 0 {
			return q.overPacked(t)
		}
	case *numbers:
		if len(q.equal) > 0 {
			return q.overNumbers(t)
		}
	case *lineTexts:
		if len(q.needs) > 0 && t.ends == nil {
			return q.overLines(t, each)
		}
	}
	if !possible(t.may, q.needs) {
		return never, true
	}

	return each, false
}

func (q *textTest) overDict(t *dictTexts) (rowTest, bool) {
	pass, some := make([]bool, len(t.distinct)), false
	for i, text := range t.distinct {
		pass[i] = q.match(text)
		some = some || pass[i]
	}
	if !some {
		return never, true
	}

	return func(i int) bool { return pass[t.codes[i]] }, false
}

func (q *textTest) overPacked(t *packedTexts) (rowTest, bool) {
	rows := t.rowsOf(q.equal)
	if len(rows) == 0 {
		return never, true
	}

	return func(i int) bool { return rows[i] }, false
}

func (q *textTest) overNumbers(t *numbers) (rowTest, bool) {
	var wanted []uint64
	for _, text := range q.equal {
		if x, ok := t.find([]byte(text)); ok {
			wanted = append(wanted, x)
		}
	}
	if len(wanted) == 0 {
		return never, true
	}

	return func(i int) bool { return slices.Contains(wanted, t.v[i]) }, false
}

// overLines looks only at lines whose template may match.
func (q *textTest) overLines(t *lineTexts, each rowTest) (rowTest, bool) {
	pass := make([]bool, len(t.templates)+1)
	pass[0] = possible(t.rare.may, q.needs)
	for i := range t.templates {
		pass[i+1] = possible(t.templates[i].may, q.needs)
	}
	if !slices.Contains(pass, true) {
		return never, true
	}

	return func(i int) bool { return pass[uint32(t.codes[i])] && each(i) }, false
}
