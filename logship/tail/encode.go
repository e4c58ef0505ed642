package tail

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"time"

	"github.com/valyala/fastjson"

	"llmwatch/logship"
)

// timeFormat is the documented one.
const timeFormat = `"2006-01-02T15:04:05.000Z"`

// encoder makes entries into lines of JSON. It is not safe for concurrent use.
type encoder struct {
	redactor *logship.Redactor
	zone     *time.Location
	parser   fastjson.Parser
}

// label is what the entries of a file say about it, encoded once.
type label struct{ logger, file []byte }

// rotation is what rotating adds to the name of a file.
var rotation = regexp.MustCompile(`(?:\.\d+|[-.]\d{8}(?:[-.T]?\d+)?)$`)

func newLabel(path string) label {
	name := filepath.Base(path)
	if short := rotation.ReplaceAllString(name, ""); short != "" {
		name = short
	}

	return label{logship.AppendString(nil, name), logship.AppendString(nil, path)}
}

// append appends the entry and an end of line. An entry in the documented schema,
// which is an object with a text as its message, stays as it is; another becomes
// the message of one. Secrets are replaced in both.
func (e *encoder) append(dst []byte, p piece, l label, read time.Time) []byte {
	if e.documented(p) {
		return append(e.redactor.AppendJSON(dst, p.text), '\n')
	}
	at, stated := timeOf(p.text, e.zone)
	switch {
	case stated:
	case !p.at.IsZero():
		at = p.at
	default:
		at = read
	}
	level, stated := levelOf(p.text)
	if !stated {
		level = "INFO"
	}
	dst = append(dst, `{"timestamp":`...)
	dst = at.UTC().AppendFormat(dst, timeFormat)
	dst = append(append(dst, `,"level":"`...), level...)
	dst = append(append(dst, `","logger":`...), l.logger...)
	dst = append(dst, `,"message":`...)
	dst = logship.AppendString(dst, e.redactor.String(string(p.text)))
	dst = append(append(dst, `,"file":`...), l.file...)
	if p.cut {
		dst = append(dst, `,"logship_truncated":true`...)
	}

	return append(dst, "}\n"...)
}

func (e *encoder) documented(p piece) bool {
	if p.cut || p.text[0] != '{' || !json.Valid(p.text) {
		return false
	}
	v, err := e.parser.ParseBytes(p.text)
	if err != nil {
		return false // It is nested too deeply.
	}
	message := v.Get("message")

	return message != nil && message.Type() == fastjson.TypeString
}
