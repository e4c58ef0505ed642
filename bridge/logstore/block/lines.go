package block

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// Many texts are lines that a program wrote from a format: the same but for numbers
// and identifiers. Each line is taken apart into its template and the values of its
// variables, and the values of one variable make a column of their own. Lines whose
// template is rare are kept as they are.
const (
	variable     = 0x01    // Stands in a template where a variable was.
	maxTemplates = 1 << 10 // That a column may have.
	minLines     = 8       // Of a template that is worth its columns.
	maxLines     = 1 << 18 // Of a column.
	maxVariables = 1 << 20 // Of a column.
	maxPerLine   = 64      // Variables; a line with more is taken for one without.
	sampleLines  = 512     // After so many it is plain whether templates help.
)

// lines is what split found in a column.
type lines struct {
	multi     bool     // Some text has more lines than one.
	perText   []uint64 // Lines of each text.
	template  []uint32 // Of each line, an index of templates.
	text      []span   // Each line.
	variables []span   // Of all lines, one after the other.
	templates []template
	known     map[string]uint32
	key       []byte
}

type template struct {
	text      string
	variables int
	count     int
	code      uint64 // 0 where lines are kept as they are.
}

// split takes the texts of v apart and reports whether that is worth it.
func (l *lines) split(v *values) bool {
	l.multi, l.perText, l.template, l.text, l.variables, l.templates = false, l.perText[:0], l.template[:0], l.text[:0], l.variables[:0], l.templates[:0]
	l.known = map[string]uint32{}
	for i, at := range v.at {
		count, start := uint64(0), uint32(0)
		for text := v.get(i); ; {
			end := bytes.IndexByte(text[start:], '\n')
			size := uint32(end)
			if end < 0 {
				size = at.size - start
			}
			if !l.line(v, span{at.start + start, size}) {
				return false
			}
			count++
			if end < 0 {
				break
			}
			start += size + 1
		}
		l.perText = append(l.perText, count)
		l.multi = l.multi || count > 1
	}

	return l.choose()
}

// line takes one line apart. It returns false once that is pointless.
func (l *lines) line(v *values, at span) bool {
	if len(l.text) == maxLines || len(l.variables) > maxVariables {
		return false
	}
	text := v.buf[at.start : at.start+at.size]
	first := len(l.variables)
	l.key = l.key[:0]
	for i := 0; i < len(text); {
		if !isAlnum(text[i]) {
			if text[i] == variable {
				return false
			}
			l.key = append(l.key, text[i])
			i++

			continue
		}
		end, numeric := token(text, i)
		if numeric {
			l.key = append(l.key, variable)
			l.variables = append(l.variables, span{at.start + uint32(i), uint32(end - i)})
		} else {
			l.key = append(l.key, text[i:end]...)
		}
		i = end
	}
	if len(l.variables)-first > maxPerLine {
		l.key, l.variables = append(l.key[:0], text...), l.variables[:first]
	}
	id, ok := l.known[string(l.key)]
	if !ok {
		if len(l.templates) == maxTemplates || len(l.text) > sampleLines && len(l.templates)*2 > len(l.text) {
			return false
		}
		key := string(l.key)
		id = uint32(len(l.templates))
		l.known[key] = id
		l.templates = append(l.templates, template{text: key, variables: len(l.variables) - first})
	}
	l.templates[id].count++
	l.template, l.text = append(l.template, id), append(l.text, at)

	return true
}

func isAlnum(b byte) bool { return b-'0' < 10 || b|0x20-'a' < 26 }

// token returns the end of the letters and digits that begin at i, or of the number
// with a point, and whether there are digits among them.
func token(text []byte, i int) (end int, numeric bool) {
	digits := 0
	for end = i; end < len(text) && isAlnum(text[end]); end++ {
		if text[end] <= '9' {
			digits++
		}
	}
	if digits < end-i || end+1 >= len(text) || text[end] != '.' || text[end+1]-'0' >= 10 {
		return end, digits > 0
	}
	after := end + 1
	for after < len(text) && text[after]-'0' < 10 {
		after++
	}
	if after < len(text) && (isAlnum(text[after]) || text[after] == '.') || i > 0 && text[i-1] == '.' {
		return end, true // Not a number: 10.0.3.17, 1.5e3.
	}

	return after, true
}

// choose numbers the templates that are kept, the most frequent first.
func (l *lines) choose() bool {
	order := make([]*template, len(l.templates))
	for i := range order {
		order[i] = &l.templates[i]
	}
	slices.SortStableFunc(order, func(a, b *template) int { return cmp.Compare(b.count, a.count) })
	kept := 0
	for i, t := range order {
		t.code = 0
		if t.count >= minLines {
			t.code = uint64(i + 1)
			kept += t.count
		}
	}

	return kept*2 > len(l.text)
}

// putLines appends what split found in v.
func (c *coder) putLines(dst []byte, v *values) []byte {
	l := &c.lines
	dst = binary.AppendUvarint(dst, uint64(len(l.text)))
	if l.multi {
		dst = c.putInts(append(dst, 1), l.perText)
	} else {
		dst = append(dst, 0)
	}
	codes := make([]uint64, len(l.text))
	kept := make([]*template, len(l.templates)+1)
	columns := make([]values, 0) // Of the variables, by template.
	first := make([]int, len(l.templates)+1)
	for i := range l.templates {
		if t := &l.templates[i]; t.code > 0 {
			kept[t.code] = t
		}
	}
	rows := make([][]uint32, len(l.templates)+1) // Of each template, where lines are rows.
	count := 0
	for code := 1; code < len(kept) && kept[code] != nil; code++ {
		count++
		first[code] = len(columns)
		columns = append(columns, make([]values, kept[code].variables)...)
	}
	rare, next := values{buf: v.buf}, 0
	for i, id := range l.template {
		t := &l.templates[id]
		codes[i] = t.code
		if t.code == 0 {
			rare.at = append(rare.at, l.text[i])
		} else {
			if !l.multi {
				rows[t.code] = append(rows[t.code], uint32(i))
			}
			for k := range t.variables {
				column := &columns[first[t.code]+k]
				column.at = append(column.at, l.variables[next+k])
			}
		}
		next += t.variables
	}
	dst = binary.AppendUvarint(c.putInts(dst, codes), uint64(count))
	for _, t := range kept[1 : count+1] {
		dst = putText(dst, t.text)
	}
	for code, t := range kept[1 : count+1] {
		for k := range t.variables {
			column := &columns[first[code+1]+k]
			column.buf = v.buf
			dst = c.putVariable(dst, column, rows[code+1])
		}
	}

	return c.putRaw(dst, &rare)
}

// sibling is another column of the same rows. What a message says is often what a
// field says too.
type sibling struct {
	index int // In the directory.
	values
}

// putVariable appends the texts of a variable in those rows.
func (c *coder) putVariable(dst []byte, v *values, rows []uint32) []byte {
	if len(rows) > 0 && !isConst(v) {
		for i := range c.siblings {
			if s := &c.siblings[i]; s.agrees(v, rows) {
				return binary.AppendUvarint(append(dst, textSame), uint64(s.index))
			}
		}
	}

	return c.putTexts(dst, v, allowDict)
}

// agrees reports whether s has the texts of v in those rows.
func (s *sibling) agrees(v *values, rows []uint32) bool {
	for i, row := range rows {
		if !bytes.Equal(s.get(int(row)), v.get(i)) {
			return false
		}
	}

	return true
}

// sameTexts are the texts of another column in some rows.
type sameTexts struct {
	texts
	rows []uint64
}

func (t *sameTexts) append(dst []byte, i int) []byte { return t.texts.append(dst, int(t.rows[i])) }

// variable reads the texts of a variable of the template with that code.
func (r *reader) variable(t *lineTexts, code, uses int) texts {
	if len(r.b) == 0 || r.b[0] != textSame {
		if len(r.b) > 0 && r.b[0] == textTemplate {
			r.fail()
		}

		return r.texts(uses)
	}
	r.byte()
	index := r.count(maxRows)
	if r.sibling == nil || t.ends != nil || r.failed || !r.allows(8*uses) {
		r.fail()

		return constTexts(nil)
	}
	same := &sameTexts{r.sibling(index), r.memory.numbers.take(uses)[:0]}
	for row, c := range t.codes {
		if uint32(c) == uint32(code) {
			same.rows = append(same.rows, uint64(row))
		}
	}
	if same.texts == nil {
		r.fail()

		return constTexts(nil)
	}

	return same
}

type lineTexts struct {
	ends      []uint64 // The line after the last of each text; nil where each is one line.
	codes     []uint64 // The template of each line, and in the upper half which of its lines it is.
	templates []decodedTemplate
	rare      texts
}

type decodedTemplate struct {
	text      []byte
	literals  [][]byte // Around the variables.
	variables []texts
}

func (r *reader) lines(n int) texts {
	total := r.count(maxLines)
	t := &lineTexts{}
	if r.byte() == 1 {
		t.ends = r.ends(n, total)
	} else if total != n {
		r.fail()
	}
	t.codes = r.ints(total)
	count := r.count(maxTemplates)
	if r.failed {
		return constTexts(nil)
	}
	uses := make([]int, count+1)
	for i, code := range t.codes {
		if code > uint64(count) {
			r.fail()

			return constTexts(nil)
		}
		t.codes[i] |= uint64(uses[code]) << 32
		uses[code]++
	}
	for range count {
		text := r.text()
		if bytes.Count(text, []byte{variable}) > maxPerLine {
			r.fail()
		}
		t.templates = append(t.templates, decodedTemplate{text: text, literals: bytes.Split(text, []byte{variable})})
	}
	for i := range t.templates {
		d := &t.templates[i]
		for range d.literals[1:] {
			if r.failed {
				return constTexts(nil)
			}
			d.variables = append(d.variables, r.variable(t, i+1, uses[i+1]))
		}
	}
	t.rare = r.raw(uses[0])

	return t
}

// ends reads how many lines each text has, and returns where they end.
func (r *reader) ends(n, total int) []uint64 {
	ends := r.ints(n)
	sum := uint64(0)
	for i, count := range ends {
		if count > uint64(total) {
			r.fail()
		}
		sum += count
		ends[i] = sum
	}
	if sum != uint64(total) {
		r.fail()
	}

	return ends
}

func (t *lineTexts) append(dst []byte, i int) []byte {
	if t.ends == nil {
		return t.line(dst, i)
	}
	first := uint64(0)
	if i > 0 {
		first = t.ends[i-1]
	}
	for k := first; k < t.ends[i]; k++ {
		if k > first {
			dst = append(dst, '\n')
		}
		dst = t.line(dst, int(k))
	}

	return dst
}

func (t *lineTexts) line(dst []byte, k int) []byte {
	code, nth := uint32(t.codes[k]), int(t.codes[k]>>32)
	if code == 0 {
		return t.rare.append(dst, nth)
	}
	d := &t.templates[code-1]
	dst = append(dst, d.literals[0]...)
	for v, column := range d.variables {
		dst = append(column.append(dst, nth), d.literals[v+1]...)
	}

	return dst
}

func (t *lineTexts) may(r run) bool {
	return t.rare.may(r) || slices.ContainsFunc(t.templates, func(d decodedTemplate) bool { return d.may(r) })
}

// may reports whether r can stand in a line of the template: in what all have in
// common, or in a variable, for it cannot reach from the one into the other, unless
// what looks like the end of a run is a letter in another form.
func (d decodedTemplate) may(r run) bool {
	return r.mayBeIn(d.text) || slices.ContainsFunc(d.variables, func(t texts) bool { return t.may(r) })
}
