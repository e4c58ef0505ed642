package block_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/entry"
)

// kept is an entry with its number, as a plain copy.
type kept struct {
	seq uint64
	entry.Entry
}

func (k *kept) position() entry.Position { return entry.Position{Time: k.Time, Seq: k.seq} }

// String is all that k says, the same for any order of its fields.
func (k *kept) String() string {
	e := k.Entry
	e.Fields = slices.Clone(e.Fields)
	kinds := make([]byte, 0, len(e.Fields))
	line := entry.AppendJSON(nil, &e) // Sorts the fields.
	for _, f := range e.Fields {
		kinds = append(kinds, '0'+byte(f.Kind))
	}

	return fmt.Sprintf("%d %d %s %s", k.seq, k.Time, line, kinds)
}

func keep(seq uint64, e *entry.Entry) kept {
	k := kept{seq, *e}
	k.Logger, k.Message, k.Fields = strings.Clone(e.Logger), strings.Clone(e.Message), slices.Clone(e.Fields)
	for i := range k.Fields {
		k.Fields[i].Name, k.Fields[i].Value = strings.Clone(k.Fields[i].Name), strings.Clone(k.Fields[i].Value)
	}

	return k
}

// seal makes a block of entries and opens it.
func seal(t testing.TB, opt block.Options, entries []kept) (*block.Block, []byte) {
	t.Helper()
	w := block.NewWriter(opt)
	for i := range entries {
		w.Add(entries[i].seq, &entries[i].Entry)
	}
	data, _, err := w.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := block.Open(bytes.NewReader(data), int64(len(data)), opt)
	if err != nil {
		t.Fatal(err)
	}

	return b, data
}

// world makes random entries that have something in common with each other.
type world struct {
	rng    *rand.Rand
	shapes [][]func() entry.Field
	now    int64
}

func newWorld(seed uint64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 3)), now: 1e18}
	for range 1 + w.rng.IntN(30) {
		var shape []func() entry.Field
		for i := range w.rng.IntN(8) {
			name := []string{"a", "request_id", "n", "x.y", "größe", "k" + strconv.Itoa(w.rng.IntN(500)), "s", "t"}[w.rng.IntN(8)]
			if !slices.ContainsFunc(shape, func(f func() entry.Field) bool { return f().Name == name }) {
				shape = append(shape, w.field(name, i))
			}
		}
		w.shapes = append(w.shapes, shape)
	}

	return w
}

func (w *world) field(name string, salt int) func() entry.Field {
	next := w.values(salt)

	return func() entry.Field {
		value, kind := next()

		return entry.Field{Name: name, Kind: kind, Value: value}
	}
}

// values are those of one field: of one of the kinds that columns know, mostly.
func (w *world) values(salt int) func() (string, entry.Kind) {
	r := w.rng
	odd := r.IntN(5) == 0 // Now and then something else.
	makers := []func() (string, entry.Kind){
		func() (string, entry.Kind) { return "constant", entry.String },
		func() (string, entry.Kind) { return []string{"GET", "POST", ""}[r.IntN(3)], entry.String },
		func() (string, entry.Kind) { return strconv.Itoa(r.IntN(1000) - 300), entry.Number },
		func() (string, entry.Kind) { return strconv.FormatInt(r.Int64()-r.Int64(), 10), entry.Number },
		func() (string, entry.Kind) { return strconv.FormatFloat(r.NormFloat64(), 'f', 3, 64), entry.Number },
		func() (string, entry.Kind) {
			return strconv.FormatFloat(float64(r.IntN(9000))/100, 'f', -1, 64), entry.Number
		},
		func() (string, entry.Kind) {
			return strconv.FormatFloat(r.NormFloat64()*1e30, 'g', -1, 64), entry.Number
		},
		func() (string, entry.Kind) { return fmt.Sprintf("req-%012x", r.Uint64()&0xffffffffffff), entry.String },
		func() (string, entry.Kind) { return fmt.Sprintf("%08d", r.IntN(1000)), entry.String },
		func() (string, entry.Kind) { return w.sentence(), entry.String },
		func() (string, entry.Kind) { return w.sentence() + "\n" + w.sentence() + "\n", entry.String },
		func() (string, entry.Kind) { return strconv.FormatBool(r.IntN(2) == 0), entry.Bool },
		func() (string, entry.Kind) { return "null", entry.Null },
		func() (string, entry.Kind) { return `["a",` + strconv.Itoa(r.IntN(5)) + `]`, entry.JSON },
		func() (string, entry.Kind) { return strconv.Itoa(salt), entry.String },
	}
	maker, other := makers[r.IntN(len(makers))], makers[r.IntN(len(makers))]

	return func() (string, entry.Kind) {
		if odd && r.IntN(20) == 0 {
			return other()
		}

		return maker()
	}
}

var vocabulary = []string{"timeout", "Refused", "shard-17", "x\x01y", "Über", "straße", "K2", "0x7f3a", "10.0.3.17", "v1.5", "1.50", "-3", "007", "a_b", "", "<&>", "id="}

func (w *world) sentence() string {
	var b strings.Builder
	for range 1 + w.rng.IntN(4) {
		b.WriteString(vocabulary[w.rng.IntN(len(vocabulary))])
		b.WriteString([]string{" ", "", ": "}[w.rng.IntN(3)])
		if w.rng.IntN(3) == 0 {
			b.WriteString(strconv.Itoa(w.rng.IntN(200)))
		}
	}

	return b.String()
}

func (w *world) message() string {
	r := w.rng
	switch r.IntN(6) {
	case 0:
		return w.sentence()
	case 1:
		return fmt.Sprintf("took %.1f ms for %x of shard-%d", r.Float64()*1000, r.Uint32(), r.IntN(40))
	case 2:
		return ""
	default:
		return []string{"Request completed", "timeout", "naïve Größe"}[r.IntN(3)]
	}
}

// entries makes n, some late, some at equal times.
func (w *world) entries(n int) []kept {
	list := make([]kept, n)
	for i := range list {
		w.now += []int64{0, 0, 1, 1e6, 7e6}[w.rng.IntN(5)]
		e := entry.Entry{Time: w.now, Level: entry.Level(w.rng.IntN(5)), Message: w.message()}
		if w.rng.IntN(10) == 0 {
			e.Time -= w.rng.Int64N(5e7)
		}
		e.Logger = []string{"", "api.requests", "api.cache", "db", "ü"}[w.rng.IntN(5)]
		for _, f := range w.shapes[min(w.rng.IntN(len(w.shapes)), w.rng.IntN(len(w.shapes)))] {
			e.Fields = append(e.Fields, f())
		}
		if len(e.Fields) > 0 && w.rng.IntN(2) == 0 { // Messages often say what fields say.
			e.Message = "saw " + e.Fields[0].Value + " in " + e.Fields[len(e.Fields)-1].Value
		}
		list[i] = kept{uint64(i) + 1000, e}
	}
	if w.rng.IntN(2) == 0 {
		w.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}

	return list
}

// filter makes a random one that speaks of what is in entries, or nearly.
func (w *world) filter(entries []kept) *entry.Filter {
	r, f := w.rng, &entry.Filter{}
	some := func() *kept { return &entries[r.IntN(len(entries))] }
	if r.IntN(3) == 0 {
		f.From = some().Time
	}
	if r.IntN(3) == 0 {
		f.Until = some().Time + r.Int64N(3)
	}
	if r.IntN(3) == 0 {
		f.Levels = uint8(r.IntN(1 << entry.NumLevels))
	}
	for range r.IntN(5) - 2 {
		f.Loggers = append(f.Loggers, []string{"api.*", "db", "*", "", "none", "api.cache"}[r.IntN(6)])
	}
	if r.IntN(3) == 0 {
		f.Pattern = regexp.MustCompile([]string{`shard-1\d`, `timeout`, `(?i)TIMEOUT`, `^$`, `\d+\.5 ms`, `[0-9a-f]{6}`, `(timeout|shard-3|naïve)`, `(foo|bar)`, `naïve`, `for (b|c).*shard`, `(ms for )+`, `x?`, `\bRequest\b`, regexp.QuoteMeta(some().Message)}[r.IntN(14)])
	}
	for range r.IntN(4) - 2 {
		f.Words = append(f.Words, []string{"timeout", "REFUSED", "über", "shard-17", "17", "k2", "missing", "ms", "GET", "STRASSE", "requ", "get"}[r.IntN(12)])
	}
	for range r.IntN(5) - 2 {
		f.Fields = append(f.Fields, w.match(some()))
	}

	return f
}

func (w *world) match(e *kept) entry.FieldMatch {
	m := entry.FieldMatch{Name: []string{"a", "n", "request_id", "level", "logger", "message", "timestamp", "nowhere"}[w.rng.IntN(8)]}
	if len(e.Fields) > 0 && w.rng.IntN(3) > 0 {
		m.Name = e.Fields[w.rng.IntN(len(e.Fields))].Name
	}
	text, _ := e.Text(m.Name)
	m.Values = append(m.Values, []string{text, text, text, "", text + "0", "7"}[w.rng.IntN(6)])
	if w.rng.IntN(3) == 0 {
		m.Values = append(m.Values, "constant", "")
	}

	return m
}
