package jsonlines

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"
	"unsafe"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/logship"
)

// Bounds of an entry.
const (
	// maxDepth is how deep objects are flattened; deeper ones stay JSON, which may
	// itself be nested maxNesting deep.
	maxDepth   = 16
	maxNesting = 100
	maxFields  = 1000
	maxName    = 256 // Bytes.
	// omittedField tells how many fields were left out beyond the bounds.
	omittedField = "fields_omitted"
)

var (
	errSyntax = errors.New("not a JSON object")
	errDeep   = fmt.Errorf("nested more than %d deep", maxNesting)
)

// parser reads one line at a time, without allocating unless something has to be
// written differently. It is its own because all that is wanted of a line can be
// had in one pass over it, in memory that is bounded by the line.
type parser struct {
	redact *logship.Redactor
	names  names
	fields fields
	line   string // What is being read, and how far.
	i      int
	text   []byte // What was written differently in this line.
	spare  []byte
}

// parse reads an object into the fields. The views it makes of line hold as long
// as line does.
func (p *parser) parse(line []byte) error {
	p.line, p.i, p.text = view(line), 0, p.text[:0]
	p.names.forget()
	p.fields.reset()
	p.space()
	if p.peek() != '{' {
		return errSyntax
	}
	if err := p.object(&p.names.root, 1); err != nil {
		return err
	}
	if p.space(); p.i < len(p.line) {
		return errSyntax
	}

	return nil
}

// object reads the object at i, whose key is parent.
func (p *parser) object(parent *node, depth int) error {
	var prev *node
	p.i++
	for p.space(); p.peek() != '}'; {
		if p.peek() != '"' {
			return errSyntax
		}
		key, err := p.str()
		if err != nil {
			return err
		}
		if p.space(); p.peek() != ':' {
			return errSyntax
		}
		p.i++
		p.space()
		n := p.names.child(parent, prev, key)
		if n == nil && p.names.room(parent, key) {
			n = p.names.add(parent, prev, key, p.clean)
		}
		if n == nil {
			err = p.skip(depth)
		} else {
			err = p.value(n, depth)
			prev = n
		}
		if err != nil {
			return err
		}
		p.space()
		if p.peek() == ',' {
			p.i++
			p.space()
			if p.peek() == '}' {
				return errSyntax
			}
		} else if p.peek() != '}' {
			return errSyntax
		}
	}
	p.i++

	return nil
}

// clean returns the name of a key, which may itself hold a secret, and whether its
// value is one.
func (p *parser) clean(key string) (name string, sensitive bool) {
	return p.redact.String(key), p.redact.Sensitive(key)
}

// value reads the value at i of a field.
func (p *parser) value(n *node, depth int) error {
	c := p.peek()
	if n.sensitive {
		p.fields.set(n.id, entry.String, logship.Redacted)

		return p.pass(depth)
	}
	switch {
	case c == '"':
		s, err := p.str()
		if err == nil {
			p.fields.set(n.id, entry.String, p.redact.String(s))
		}

		return err
	case c == '{' && depth < maxDepth && !p.empty():
		return p.object(n, depth+1)
	case c == '{' || c == '[':
		return p.document(n, depth)
	case c == 't' || c == 'f':
		text, err := p.literal()
		p.fields.set(n.id, entry.Bool, text)

		return err
	case c == 'n':
		text, err := p.literal()
		p.fields.set(n.id, entry.Null, text)

		return err
	default:
		text, err := p.number()
		if err == nil {
			p.setNumber(n.id, text)
		}

		return err
	}
}

// skip leaves out the value at i because its name is beyond the bounds.
func (p *parser) skip(depth int) error {
	p.fields.omitted++

	return p.pass(depth)
}

// pass goes past the value at i.
func (p *parser) pass(depth int) error {
	start := len(p.text)
	err := p.raw(depth)
	p.text = p.text[:start]

	return err
}

// setNumber keeps a number as it was written, unless it is one of a card.
func (p *parser) setNumber(id *identity, text string) {
	const shortestCard = 13
	if len(text) >= shortestCard {
		p.spare = p.redact.AppendJSON(p.spare[:0], []byte(text))
		if p.spare[0] == '"' {
			p.fields.set(id, entry.String, logship.Redacted)

			return
		}
	}
	p.fields.set(id, entry.Number, text)
}

// document keeps an array or a deep object as compact JSON.
func (p *parser) document(n *node, depth int) error {
	start := len(p.text)
	if err := p.raw(depth); err != nil {
		return err
	}
	compact := p.text[start:]
	p.spare = p.redact.AppendJSON(p.spare[:0], compact)
	if string(p.spare) != string(compact) {
		p.text = append(p.text[:start], p.spare...)
	}
	p.fields.set(n.id, entry.JSON, view(p.text[start:]))

	return nil
}

// raw appends the value at i, compact, to text.
func (p *parser) raw(depth int) error {
	var text string
	var err error
	switch c := p.peek(); c {
	case '{', '[':
		if depth >= maxNesting {
			return errDeep
		}

		return p.container(c, depth)
	case '"':
		return p.quote()
	case 't', 'f', 'n':
		text, err = p.literal()
	default:
		text, err = p.number()
	}
	p.text = append(p.text, text...)

	return err
}

// quote appends the string at i as it was written, unless it is not valid UTF-8.
func (p *parser) quote() error {
	start, end := p.i, len(p.text)
	text, err := p.str()
	if err != nil {
		return err
	}
	written := p.line[start:p.i]
	if !utf8.ValidString(written) {
		quoted, err := json.Marshal(text)
		if err != nil {
			panic(err) // A string can always be written.
		}
		written = view(quoted)
	}
	p.text = append(p.text[:end], written...) // Over what str may have put there.

	return nil
}

// container appends the array or object at i.
func (p *parser) container(opening byte, depth int) error {
	closing := opening + 2 // ] and } follow their partners so in ASCII.
	p.text = append(p.text, opening)
	p.i++
	for p.space(); p.peek() != closing; {
		if opening == '{' {
			if p.peek() != '"' {
				return errSyntax
			}
			if err := p.quote(); err != nil {
				return err
			}
			if p.space(); p.peek() != ':' {
				return errSyntax
			}
			p.text = append(p.text, ':')
			p.i++
			p.space()
		}
		if err := p.raw(depth + 1); err != nil {
			return err
		}
		p.space()
		if p.peek() == ',' {
			p.text = append(p.text, ',')
			p.i++
			p.space()
			if p.peek() == closing {
				return errSyntax
			}
		} else if p.peek() != closing {
			return errSyntax
		}
	}
	p.text = append(p.text, closing)
	p.i++

	return nil
}

// peek returns the byte at i, 0 at the end.
func (p *parser) peek() byte {
	if p.i < len(p.line) {
		return p.line[p.i]
	}

	return 0
}

func (p *parser) space() {
	for p.i < len(p.line) {
		switch p.line[p.i] {
		case ' ', '\t', '\r', '\n':
			p.i++
		default:
			return
		}
	}
}

// empty reports whether the object at i has no keys.
func (p *parser) empty() bool {
	rest := strings.TrimLeft(p.line[p.i+1:], " \t\r\n")

	return rest != "" && rest[0] == '}'
}

func (p *parser) literal() (string, error) {
	for _, text := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(p.line[p.i:], text) {
			p.i += len(text)

			return text, nil
		}
	}

	return "", errSyntax
}

// number returns the number at i as it is written.
func (p *parser) number() (string, error) {
	start := p.i
	if p.peek() == '-' {
		p.i++
	}
	leading := p.peek()
	if n := p.digits(); n == 0 || n > 1 && leading == '0' {
		return "", errSyntax
	}
	if p.peek() == '.' {
		p.i++
		if p.digits() == 0 {
			return "", errSyntax
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.i++
		if c := p.peek(); c == '+' || c == '-' {
			p.i++
		}
		if p.digits() == 0 {
			return "", errSyntax
		}
	}

	return p.line[start:p.i], nil
}

func (p *parser) digits() int {
	start := p.i
	for p.i < len(p.line) && p.line[p.i]-'0' <= 9 {
		p.i++
	}

	return p.i - start
}

// str returns the text of the string at i, with what is not valid UTF-8 replaced.
func (p *parser) str() (string, error) {
	start := p.i + 1
	end := plainEnd(p.line, start)
	if end == len(p.line) {
		return "", errSyntax
	}
	if p.line[end] == '"' {
		p.i = end + 1

		return p.line[start:end], nil
	}

	return p.unusual(start, end)
}

// plainEnd returns where at i or later a byte stands that is a quote, a
// backslash, a control character or not ASCII.
func plainEnd(s string, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		x := binary.LittleEndian.Uint64(unsafe.Slice(unsafe.StringData(s[i:]), 8))
		quote, backslash := x^(ones*'"'), x^(ones*'\\')
		// The lowest mark is right; those above may be of a borrow.
		found := ((quote-ones)&^quote | (backslash-ones)&^backslash | (x-ones*' ')&^x | x) & highs
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf {
			break
		}
	}

	return i
}

// unusual returns the text of a string that is not plain from at on.
func (p *parser) unusual(start, at int) (string, error) {
	escaped := false
	for p.line[at] != '"' {
		switch c := p.line[at]; {
		case c < ' ':
			return "", errSyntax
		case c == '\\':
			escaped = true
			at++
		}
		if at+1 >= len(p.line) {
			return "", errSyntax
		}
		at = plainEnd(p.line, at+1)
		if at == len(p.line) {
			return "", errSyntax
		}
	}
	p.i = at + 1
	written := p.line[start:at]
	if !escaped && utf8.ValidString(written) {
		return written, nil
	}

	return p.unescape(written)
}

// view is a string that shares b's memory. It holds as long as b is not changed.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
