package jsonlines

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"llmwatch/bridge/logintake"
	"llmwatch/bridge/logstore/entry"
)

// taken marks a field that is no longer one.
const taken = entry.Kinds

// resolve makes an entry of the fields: the four that every entry has are taken
// out of them.
func (p *parser) resolve(e *entry.Entry, arrival int64) error {
	f := &p.fields
	*e = entry.Entry{Time: arrival, Level: entry.Info, Fields: e.Fields}
	for r := range roles {
		for rank, at := range f.named[r] {
			if at == 0 {
				continue
			}
			field := &f.list[at-1]
			ok, err := assign(e, r, rank, field)
			if err != nil {
				return err
			}
			if ok {
				field.Kind = taken

				break
			}
			if rank == 0 {
				f.setAside(field)
			}
		}
	}
	e.Fields = f.list[:0]
	for i := range f.list {
		if f.list[i].Kind != taken {
			e.Fields = append(e.Fields, f.list[i])
		}
	}
	if f.omitted > 0 {
		e.Fields = append(e.Fields, entry.Field{Name: omittedField, Kind: entry.Number, Value: strconv.Itoa(f.omitted)})
	}
	f.list = e.Fields

	return nil
}

// setAside keeps a field under another name: it says something, but not what its
// own name promises. Null says nothing.
func (f *fields) setAside(field *entry.Field) {
	name := field.Name + original
	if field.Kind == entry.Null || slices.ContainsFunc(f.list, func(other entry.Field) bool { return other.Name == name }) {
		field.Kind = taken

		return
	}
	field.Name = name
}

// assign gives e what a field says of a role. It returns false if the field says
// nothing that can be understood so.
func assign(e *entry.Entry, r role, rank int, field *entry.Field) (bool, error) {
	text := field.Value
	if field.Kind == entry.Null {
		return false, nil
	}
	switch r {
	case asTime:
		return assignTime(e, rank, field)
	case asLevel:
		level, ok := parseLevel(field)
		if ok {
			e.Level = level
		}

		return ok, nil
	case asLogger:
		e.Logger = text
	default:
		e.Message = text
	}

	return true, nil
}

func assignTime(e *entry.Entry, rank int, field *entry.Field) (bool, error) {
	if field.Kind != entry.String && field.Kind != entry.Number {
		return false, nil
	}
	if rank > 0 && field.Kind == entry.Number {
		if n, err := strconv.ParseFloat(field.Value, 64); err != nil || n < firstPlain {
			return false, nil // Rather a duration.
		}
	}
	ns, ok := parseTime(field.Value)
	if ok && ns < 0 {
		return false, fmt.Errorf("%s must not be before 1970, got %q", field.Name, logintake.Shorten(field.Value))
	}
	if ok {
		e.Time = ns
	}

	return ok, nil
}

// parseLevel reads names, those of slog with an offset included, and the numbers
// of bunyan and pino.
func parseLevel(field *entry.Field) (entry.Level, bool) {
	if field.Kind == entry.Number {
		n, err := strconv.Atoi(field.Value)
		if err != nil || n < 10 || n > 60 || n%10 != 0 {
			return 0, false
		}

		return [...]entry.Level{entry.Debug, entry.Debug, entry.Info, entry.Warning, entry.Error, entry.Critical}[n/10-1], true
	}
	if field.Kind != entry.String {
		return 0, false
	}
	for _, level := range entry.Levels() {
		if field.Value == level.String() {
			return level, true
		}
	}
	name, offset, signed := strings.Cut(field.Value, "+")
	level, ok := entry.ParseLevel(name)
	if signed && level == entry.Error && offset >= "4" {
		level = entry.Critical
	}
	if !ok {
		name, _, _ = strings.Cut(name, "-")
		level, ok = entry.ParseLevel(name)
	}

	return level, ok
}
