// Package loggen makes log entries like those of a busy LLM platform, for tests and
// benchmarks: the same ones for the same seed, as entries or as lines of JSON.
//
// It must not know how they are sent, kept or compressed: what it makes is meant to
// be like the world, not like what an encoder does well.
package loggen

import (
	"math/rand/v2"
	"strconv"
	"time"

	"llmwatch/bridge/logstore/entry"
)

// Start is a time for the first entry where any will do.
var Start = time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC)

// Source yields entries without end.
type Source interface {
	// Next fills e with the next entry. Its texts stay valid; e.Fields is used again.
	Next(e *entry.Entry)
	// AppendLine appends e as the line of JSON, without the newline, in which a
	// program would send it.
	AppendLine(dst []byte, e *entry.Entry) []byte
}

// AppendLines appends the next n entries of src as lines of JSON.
func AppendLines(dst []byte, src Source, n int) []byte {
	var e entry.Entry
	for range n {
		src.Next(&e)
		dst = append(src.AppendLine(dst, &e), '\n')
	}

	return dst
}

// Fill adds the next n entries of src to b.
func Fill(b *entry.Batch, src Source, n int) {
	var e entry.Entry
	for range n {
		src.Next(&e)
		b.Add(&e)
	}
}

// clock walks on by a random time with each entry, in milliseconds as clients
// write them; now and then an entry comes a little late.
type clock struct {
	rng  *rand.Rand
	now  float64 // Milliseconds since 1970.
	mean float64
}

func newClock(rng *rand.Rand, start time.Time, mean time.Duration) clock {
	return clock{rng, float64(start.UnixMilli()), float64(mean) / float64(time.Millisecond)}
}

func (c *clock) next() int64 {
	c.now += c.rng.ExpFloat64() * c.mean
	at := int64(c.now)
	if c.rng.IntN(50) == 0 {
		at -= c.rng.Int64N(40)
	}

	return at * int64(time.Millisecond)
}

// pick returns one of choices, the first ones more often than the last.
func pick[T any](rng *rand.Rand, choices []T) T {
	return choices[min(rng.IntN(len(choices)), rng.IntN(len(choices)))]
}

const hexDigits = "0123456789abcdef"

// word returns n random letters of an alphabet.
func word(rng *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[rng.IntN(len(alphabet))]
	}

	return string(b)
}

// words returns count random words.
func words(rng *rand.Rand, prefix, alphabet string, n, count int) []string {
	list := make([]string, count)
	for i := range list {
		list[i] = prefix + word(rng, alphabet, n)
	}

	return list
}

func decimal(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }

func text(name, value string) entry.Field { return entry.Field{Name: name, Value: value} }

func number(name, value string) entry.Field {
	return entry.Field{Name: name, Kind: entry.Number, Value: value}
}

func integer(name string, v int) entry.Field { return number(name, strconv.Itoa(v)) }
