package frame_test

import (
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/bridge/logstore/frame"
)

func samples() []entry.Entry {
	all := []entry.Entry{
		{},
		{Time: math.MaxInt64, Level: entry.Critical, Logger: "x", Message: "max"},
		{Time: 5, Level: entry.Error, Logger: "x", Message: "back in time", Fields: []entry.Field{{Name: "a"}, {Name: "", Value: "no name"}}},
		{Time: 5, Logger: "äöü", Message: "\x00\n", Fields: []entry.Field{{Name: "j", Kind: entry.JSON, Value: `{"a":1}`}, {Name: "n", Kind: entry.Null, Value: "null"}}},
	}
	for i := range 500 { // More names than are found without the map.
		all = append(all, entry.Entry{Time: int64(i), Logger: fmt.Sprint("logger", i%7), Fields: []entry.Field{{Name: fmt.Sprint("field", i), Kind: entry.Number, Value: strconv.Itoa(i)}}})
	}

	return all
}

func TestEntriesComeBack(t *testing.T) {
	var enc frame.Encoder
	var frames []byte
	var want []string
	counts := map[string]int{}
	for range 3 { // Frames follow one another.
		enc.Reset()
		for _, e := range samples() {
			enc.Add(&e)
			want = append(want, string(entry.AppendJSON(nil, &e)))
		}
		if least, most := enc.Times(); least != 0 || most != math.MaxInt64 || enc.Len() != len(samples()) {
			t.Errorf("%d entries from %d to %d", enc.Len(), least, most)
		}
		if enc.Levels() != 1<<entry.Debug|1<<entry.Error|1<<entry.Critical {
			t.Errorf("levels are %b", enc.Levels())
		}
		enc.Counts(func(logger string, n *[entry.NumLevels]int) { counts[logger] += n[entry.Debug] })
		frames = append(frames, enc.Bytes()...)
	}
	var got []string
	var r frame.Reader
	var e entry.Entry
	for r.Reset(frames); r.Next(); {
		if len(got)%5 == 3 { // An entry may be passed over.
			got = append(got, want[len(got)])
			continue
		}
		if !r.Entry(&e) {
			t.Fatal(r.Err())
		}
		if r.Time() != e.Time || r.Level() != e.Level {
			t.Errorf("entry %d is of %d and %v", len(got), r.Time(), r.Level())
		}
		got = append(got, string(entry.AppendJSON(nil, &e)))
	}
	if diff := cmp.Diff(want, got); diff != "" || r.Err() != nil {
		t.Errorf("%v: %s", r.Err(), diff)
	}
	if counts["logger0"] != 3*72 || counts[""] != 3 {
		t.Errorf("counts are %v", counts)
	}
}

// FuzzReader reads arbitrary bytes: an error or other entries, never a panic.
func FuzzReader(f *testing.F) {
	var enc frame.Encoder
	enc.Reset()
	for _, e := range samples()[:6] {
		enc.Add(&e)
	}
	f.Add(enc.Bytes())
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, frames []byte) {
		var r frame.Reader
		var e entry.Entry
		n := 0
		for r.Reset(frames); r.Next() && r.Entry(&e); n++ {
			if len(e.Message) > len(frames) || len(e.Fields) > len(frames) {
				t.Fatal("more than there is")
			}
		}
		if n > len(frames) {
			t.Fatalf("%d entries of %d bytes", n, len(frames))
		}
	})
}

func BenchmarkEncoder(b *testing.B) {
	var enc frame.Encoder
	e := entry.Entry{Time: 1, Logger: "api.requests", Message: "Request completed"}
	for i := range 12 {
		e.Fields = append(e.Fields, entry.Field{Name: fmt.Sprint("some_field_", i), Value: "value of it"})
	}
	b.ReportAllocs()
	enc.Reset()
	for b.Loop() {
		if enc.Len() == 1000 {
			enc.Reset()
		}
		enc.Add(&e)
	}
}
