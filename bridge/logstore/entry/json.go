package entry

import (
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"
)

// AppendJSON appends e as one line of JSON without the newline: the documented
// fields in the documented order and types, then the others by name. It may sort
// e.Fields.
func AppendJSON(dst []byte, e *Entry) []byte {
	dst = append(dst, `{"timestamp":"`...)
	dst = AppendTime(dst, e.Time)
	dst = append(dst, `","level":"`...)
	dst = append(dst, e.Level.String()...)
	dst = append(dst, `","logger":`...)
	dst = appendString(dst, e.Logger)
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, e.Message)
	if !slices.IsSortedFunc(e.Fields, order) {
		slices.SortFunc(e.Fields, order)
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		dst = append(dst, ',')
		dst = appendString(dst, f.Name)
		dst = append(dst, ':')
		if f.Kind == String {
			dst = appendString(dst, f.Value)
		} else {
			dst = append(dst, f.Value...)
		}
	}

	return append(dst, '}')
}

// FormatTime writes a time as RFC 3339 in UTC with milliseconds, and with more
// digits only where they are not zero.
func FormatTime(ns int64) string { return string(AppendTime(nil, ns)) }

// AppendTime appends what FormatTime returns.
func AppendTime(dst []byte, ns int64) []byte {
	t := time.Unix(0, ns).UTC()
	switch {
	case ns%int64(time.Millisecond) == 0:
		return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	case ns%int64(time.Microsecond) == 0:
		return t.AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	default:
		return t.AppendFormat(dst, "2006-01-02T15:04:05.000000000Z")
	}
}

func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendEscaped(dst, s)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)

	return append(dst, '"')
}

func appendEscaped(dst []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // A string can always be written.
	}

	return append(dst, quoted...)
}
