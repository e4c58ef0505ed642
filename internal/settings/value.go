package settings

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// read fills v, which is of the setting's type or of its elements', from text.
func (s *Setting) read(v reflect.Value, text string) error {
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil && s.Secret {
			return errors.New("is not valid")
		} else if err != nil {
			return err
		}

		return nil
	}
	switch {
	case v.Type() == durationType:
		d, ok := parseDuration(text, s.unit())
		if !ok {
			return s.wrong(v.Type(), text)
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.String:
		v.SetString(s.spelling(text))
	case v.Kind() == reflect.Bool:
		b, ok := parseBool(text)
		if !ok {
			return s.wrong(v.Type(), text)
		}
		v.SetBool(b)
	case v.CanInt():
		n, ok := s.parseInt(text)
		if !ok || v.OverflowInt(n) {
			return s.wrong(v.Type(), text)
		}
		v.SetInt(n)
	case v.CanFloat():
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return s.wrong(v.Type(), text)
		}
		v.SetFloat(f)
	default:
		return fmt.Errorf("cannot be set: a setting cannot be a %s", v.Type())
	}

	return nil
}

// unit is the length of 1 in a bare duration.
func (s *Setting) unit() time.Duration {
	if s.tag.Get("unit") == "days" {
		return 24 * time.Hour
	}

	return time.Second
}

func (s *Setting) isSize() bool { return s.tag.Get("unit") == "bytes" }

func parseDuration(text string, unit time.Duration) (time.Duration, bool) {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		d := time.Duration(n)
		return d * unit, d <= math.MaxInt64/unit
	}
	d, err := model.ParseDuration(text)

	return time.Duration(d), err == nil
}

func parseBool(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, true
	case "false", "no", "off", "0":
		return false, true
	default:
		return false, false
	}
}

func (s *Setting) parseInt(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil || !s.isSize() {
		return n, err == nil && (n >= 0 || !s.isSize())
	}
	size, err := units.ParseBase2Bytes(text)

	return int64(size), err == nil && size >= 0
}

// wrong says what a text should have been.
func (s *Setting) wrong(t reflect.Type, text string) error {
	return fmt.Errorf("must be %s%s", s.form(t), s.got(text))
}

// form says in words what a value of the type looks like.
func (s *Setting) form(t reflect.Type) string {
	switch {
	case s.tag.Get("oneof") != "":
		return s.choices()
	case t == durationType && s.tag.Get("unit") == "days":
		return "a number of days or a duration such as 36h, 7d or 4w"
	case t == durationType:
		return "a number of seconds or a duration such as 30s, 5m or 7d"
	case isText(t), t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Map:
		return "a mapping"
	case s.isSize():
		return "a size such as 512MB or 10GB"
	case t.Kind() == reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}

// spelling is an allowed value as it is documented.
func (s *Setting) spelling(text string) string {
	for allowed := range strings.FieldsSeq(s.tag.Get("oneof")) {
		if strings.EqualFold(allowed, text) {
			return allowed
		}
	}

	return text
}

func (s *Setting) choices() string { return list(strings.Fields(s.tag.Get("oneof")), "or") }

// list joins words as people do.
func list(words []string, last string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " " + last + " " + words[n-1]
	}

	return strings.Join(words, "")
}

// credentials stand before the host of a URL.
var credentials = regexp.MustCompile(`(^|//)[^/\s]*@`)

// hidden stands where a secret does.
const hidden = "<secret>"

// Public is a text without the credentials of a URL in it.
func Public(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}

	return credentials.ReplaceAllString(text, "${1}"+hidden+"@")
}

const maxShown = 80

// got repeats what was written, unless it is a secret.
func (s *Setting) got(text string) string {
	if s.Secret {
		return ""
	}
	text = Public(text)
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "…"
	}

	return ", got " + strconv.Quote(text)
}

// bounds holds a value against the setting's tags. An error that begins with
// "tag" is a mistake in the tags.
func (s *Setting) bounds(v reflect.Value) error {
	if oneof := s.tag.Get("oneof"); oneof != "" {
		if !slices.Contains(strings.Fields(oneof), s.spelling(v.String())) {
			return fmt.Errorf("must be %s%s", s.choices(), s.got(v.String()))
		}
	}
	low, high := s.tag.Get("min"), s.tag.Get("max")
	if low == "" && high == "" {
		return nil
	}
	var below, above bool
	for text, beyond := range map[string]*bool{low: &below, high: &above} {
		if text == "" {
			continue
		}
		bound := reflect.New(v.Type()).Elem()
		if err := s.read(bound, text); err != nil {
			return fmt.Errorf("tag min or max: %w", err)
		}
		*beyond = number(v) < number(bound)
		if beyond == &above {
			*beyond = number(v) > number(bound)
		}
	}
	switch {
	case !below && !above:
		return nil
	case high == "":
		return fmt.Errorf("must be at least %s, got %s", low, s.text(v))
	case low == "":
		return fmt.Errorf("must be at most %s, got %s", high, s.text(v))
	default:
		return fmt.Errorf("must be from %s to %s, got %s", low, high, s.text(v))
	}
}

func number(v reflect.Value) float64 {
	if v.CanInt() {
		return float64(v.Int())
	}

	return v.Float()
}

// text writes a value as it can be read again.
func (s *Setting) text(v reflect.Value) string {
	if m, ok := reflect.TypeAssert[encoding.TextMarshaler](v); ok {
		text, err := m.MarshalText()
		if err != nil {
			return ""
		}

		return string(text)
	}
	switch {
	case v.Type() == durationType:
		return durationText(time.Duration(v.Int()))
	case v.Kind() == reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = s.text(v.Index(i))
		}

		return strings.Join(parts, ", ")
	case v.Kind() == reflect.Map:
		if v.Len() == 0 {
			return ""
		}
		node := s.node(v)
		node.Style = yaml.FlowStyle
		text, err := yaml.Marshal(node)
		if err != nil {
			return ""
		}

		return strings.TrimSpace(string(text))
	case v.Kind() == reflect.String:
		return Public(v.String())
	case v.CanInt() && s.isSize():
		return sizeText(v.Int())
	default:
		return fmt.Sprint(v.Interface())
	}
}

func durationText(d time.Duration) string {
	if day := 24 * time.Hour; d > 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}

	return model.Duration(d).String()
}

func sizeText(n int64) string {
	for shift, unit := range map[int]string{30: "GB", 20: "MB", 10: "KB"} {
		if size := n >> shift; size > 0 && size<<shift == n && size%1024 != 0 {
			return strconv.FormatInt(size, 10) + unit
		}
	}

	return strconv.FormatInt(n, 10)
}
