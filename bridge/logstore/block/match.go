package block

import (
	"slices"

	"llmwatch/bridge/logstore/entry"
)

// tests returns what rows must pass besides the time bounds, the cheap tests first;
// none says that no row can.
func (cr *rows) tests(q *query) (tests []rowTest, none bool, err error) {
	if !q.WantsLevel(cr.level) {
		return nil, true, nil
	}
	add := func(t rowTest, same bool, e error) bool {
		if err = e; err != nil || t == nil {
			return err == nil
		}
		none = same // A test that is the same for all lets none pass, or would be nil.
		tests = append(tests, t)

		return !none
	}
	if len(q.Loggers) > 0 && !add(cr.standard(columnLogger, &textTest{match: func(text []byte) bool { return q.WantsLogger(view(text)) }})) {
		return nil, none, err
	}
	for i := range q.fields {
		if !add(cr.field(&q.fields[i])) {
			return nil, none, err
		}
	}
	if q.pattern != nil && !add(cr.standard(columnMessage, q.pattern)) {
		return nil, none, err
	}
	for _, word := range q.words {
		if !add(cr.word(word)) {
			return nil, none, err
		}
	}

	return tests, false, nil
}

// standard tests a column that is there once and for all rows.
func (cr *rows) standard(id uint32, q *textTest) (rowTest, bool, error) {
	t, err := cr.textsOf(id)
	if err != nil {
		return nil, false, err
	}
	test, same := q.over(t)

	return test, same, nil
}

// textsOf returns the texts of a column that is there once and for all rows.
func (cr *rows) textsOf(id uint32) (texts, error) {
	i := slices.IndexFunc(cr.columns, func(c columnInfo) bool { return c.id == id })
	if i < 0 {
		return constTexts(nil), nil
	}
	l, err := cr.column(i)
	if err != nil {
		return nil, err
	}

	return l.texts, nil
}

// field tests a field by its name.
func (cr *rows) field(q *fieldTest) (rowTest, bool, error) {
	switch q.name {
	case "logger":
		return cr.standard(columnLogger, &q.textTest)
	case "message":
		return cr.standard(columnMessage, &q.textTest)
	case "level":
		test, same := q.over(constTexts(cr.level.String()))

		return test, same, nil
	case "timestamp":
		if err := cr.needTimes(); err != nil {
			return nil, false, err
		}
		var text []byte

		return func(row int) bool {
			text = entry.AppendTime(text[:0], int64(cr.times[row]))

			return q.match(text)
		}, false, nil
	}
	parts, err := cr.parts(func(c *columnInfo) bool { return c.id >= columnNames && cr.b.names[c.id-columnNames].name == q.name }, &q.textTest)
	if err != nil {
		return nil, false, err
	}
	rest, err := cr.restOf()
	switch {
	case err != nil:
		return nil, false, err
	case rest == nil && len(parts) == 0:
		test, same := q.over(constTexts(nil))

		return test, same, nil
	case rest == nil && len(parts) == 1 && parts[0].index == nil:
		return parts[0].test, parts[0].same, nil
	}

	return func(row int) bool {
		for _, p := range parts {
			if at := p.at(row); at >= 0 {
				return p.test == nil || p.test(at)
			}
		}
		if rest != nil {
			for _, f := range rest[row] {
				if f.Name == q.name {
					return q.match([]byte(f.Value))
				}
			}
		}

		return q.absent
	}, false, nil
}

// part is a column with its test.
type part struct {
	*loaded
	test rowTest
	same bool
}

func (cr *rows) parts(wanted func(*columnInfo) bool, q *textTest) ([]part, error) {
	var parts []part
	for i := range cr.columns {
		if !wanted(&cr.columns[i]) {
			continue
		}
		l, err := cr.column(i)
		if err != nil {
			return nil, err
		}
		p := part{loaded: l}
		p.test, p.same = q.over(l.texts)
		parts = append(parts, p)
	}

	return parts, nil
}

// restOf returns the fields that have no column, nil where there are none.
func (cr *rows) restOf() ([][]entry.Field, error) {
	for i, c := range cr.columns {
		if c.id == columnRest {
			l, err := cr.column(i)
			if err != nil {
				return nil, err
			}

			return l.rest, nil
		}
	}

	return nil, nil
}

// word tests the message and every text.
func (cr *rows) word(q *textTest) (rowTest, bool, error) {
	parts, err := cr.parts(func(c *columnInfo) bool {
		return c.id == columnMessage || c.id >= columnNames && c.kind == entry.String
	}, q)
	if err != nil {
		return nil, false, err
	}
	rest, err := cr.restOf()
	if err != nil {
		return nil, false, err
	}
	if slices.ContainsFunc(parts, func(p part) bool { return p.test == nil && p.index == nil }) {
		return nil, true, nil
	}
	parts = slices.DeleteFunc(parts, func(p part) bool { return p.same && p.test != nil })
	if len(parts) == 0 && rest == nil {
		return never, true, nil
	}

	return func(row int) bool {
		for _, p := range parts {
			if at := p.at(row); at >= 0 && (p.test == nil || p.test(at)) {
				return true
			}
		}

		return rest != nil && slices.ContainsFunc(rest[row], func(f entry.Field) bool {
			return f.Kind == entry.String && q.match([]byte(f.Value))
		})
	}, false, nil
}
