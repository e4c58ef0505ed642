package block_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"llmwatch/bridge/logstore/block"
	"llmwatch/bridge/logstore/entry"
)

// aesGCM is a cipher for tests: the same key always, and a nonce for each section.
type aesGCM struct{ cipher.AEAD }

func newCipher(t testing.TB) block.Cipher {
	t.Helper()
	b, err := aes.NewCipher([]byte("sixteen byte key"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := cipher.NewGCM(b)
	if err != nil {
		t.Fatal(err)
	}

	return aesGCM{a}
}

func (c aesGCM) Seal(dst, plaintext, additional []byte) []byte {
	nonce := slices.Clone(additional[len(additional)-c.NonceSize():])

	return c.AEAD.Seal(append(dst, nonce...), nonce, plaintext, additional)
}

func (c aesGCM) Overhead() int { return c.AEAD.Overhead() + c.NonceSize() }

func (c aesGCM) Open(dst, sealed, additional []byte) ([]byte, error) {
	if len(sealed) < c.NonceSize() {
		return nil, errors.New("too short")
	}

	return c.AEAD.Open(dst, sealed[:c.NonceSize()], sealed[c.NonceSize():], additional)
}

// small has groups, mixed rows, templates and a filter in few bytes.
func small() []kept {
	w := newWorld(4)
	entries := w.entries(150)
	for i := range entries {
		if i < 100 {
			entries[i].Level, entries[i].Logger, entries[i].Message = entry.Info, "api", "took "+strings.Repeat("1", 1+i%7)+" ms"
			entries[i].Fields = []entry.Field{{Name: "request_id", Value: "req-" + strings.Repeat(string('a'+rune(i%6)), 8)}}
		}
	}

	return entries
}

func TestEachFlippedByteIsFound(t *testing.T) {
	entries := small()
	search := block.Search{Filter: &entry.Filter{Fields: []entry.FieldMatch{{Name: "request_id", Values: []string{"req-bbbbbbbb"}}}}, Limit: 1000}
	var want []string
	for i := range entries {
		want = append(want, entries[i].String())
	}
	slices.Sort(want)
	found := texts(naive(entries, search))
	for name, opt := range map[string]block.Options{"plain": {}, "encrypted": {Cipher: newCipher(t)}} {
		_, data := seal(t, opt, entries)
		for at := range data {
			damaged := slices.Clone(data)
			damaged[at] ^= 1 << (at % 8)
			b, err := block.Open(bytes.NewReader(damaged), int64(len(damaged)), opt)
			if err != nil {
				continue
			}
			var got []string
			err = b.Each(t.Context(), func(seq uint64, e *entry.Entry) error {
				k := keep(seq, e)
				got = append(got, k.String())

				return nil
			})
			var corrupt *block.CorruptError
			switch slices.Sort(got); {
			case err != nil && !errors.As(err, &corrupt):
				t.Fatalf("%s: byte %d: %v is not a CorruptError", name, at, err)
			case err == nil && !slices.Equal(got, want):
				t.Fatalf("%s: byte %d: other entries, and no error", name, at)
			}
			hits, searchErr := b.Search(t.Context(), search)
			if searchErr == nil && len(hits) != len(found) {
				t.Fatalf("%s: byte %d: %d hits and no error", name, at, len(hits))
			}
			if counted, err := count(t, b, search.Filter); err == nil && counted != len(found) {
				t.Fatalf("%s: byte %d: %d counted and no error", name, at, counted)
			}
			if err == nil && searchErr == nil {
				t.Fatalf("%s: byte %d: neither reading all nor searching noticed", name, at)
			}
		}
	}
}

// count has everything read that counting can read.
func count(t *testing.T, b *block.Block, f *entry.Filter) (n int, err error) {
	err = b.Tally(t.Context(), f, block.Tally{
		From: b.Info().MinTime, Step: 1e6, Buckets: 1 << 30,
		Add:     func(_ string, _ entry.Level, _, more int) { n += more },
		Message: func(*entry.Entry) {},
	})

	return n, err
}

func TestACutOrLongerBlockIsFound(t *testing.T) {
	_, data := seal(t, block.Options{}, small())
	for size := range data {
		if _, err := block.Open(bytes.NewReader(data), int64(size), block.Options{}); err == nil {
			t.Fatalf("the first %d of %d bytes are taken for a block", size, len(data))
		}
	}
	longer := append(slices.Clone(data), data...)
	if _, err := block.Open(bytes.NewReader(longer), int64(len(longer)), block.Options{}); err == nil {
		t.Error("two blocks in a row are taken for one")
	}
	if _, err := block.Open(bytes.NewReader(data[:len(data)-1]), int64(len(data)), block.Options{}); err == nil {
		t.Error("a file that ends early is taken for a block")
	}
}

func TestAnEncryptedBlockSaysNothing(t *testing.T) {
	entries := small()
	opt := block.Options{Cipher: newCipher(t)}
	b, data := seal(t, opt, entries)
	requireSame(t, 0, b, entries)
	for _, secret := range []string{"api", "request_id", "req-", "took", "timeout", "completed"} {
		if bytes.Contains(data, []byte(secret)) {
			t.Errorf("%q can be read", secret)
		}
	}
	if _, err := block.Open(bytes.NewReader(data), int64(len(data)), block.Options{}); err == nil {
		t.Error("it opens without its cipher")
	}
}

func FuzzOpen(f *testing.F) {
	w := block.NewWriter(block.Options{})
	for _, k := range small() {
		w.Add(k.seq, &k.Entry)
	}
	data, _, err := w.Finish(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("LLMB"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := block.Open(bytes.NewReader(data), int64(len(data)), block.Options{})
		if err != nil {
			return
		}
		if _, err := b.Search(t.Context(), block.Search{Filter: &entry.Filter{Words: []string{"x"}}, Limit: 10}); err != nil {
			return
		}
		if n, err := count(t, b, &entry.Filter{}); err == nil && n > b.Info().Rows {
			t.Errorf("%d of %d entries are counted", n, b.Info().Rows)
		}
		_ = b.Each(t.Context(), func(uint64, *entry.Entry) error { return nil })
	})
}

func FuzzEntriesComeBack(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, "took 12 ms", "req-00ff", uint16(100))
	}
	f.Fuzz(func(t *testing.T, seed uint64, a, b string, n uint16) {
		a, b = strings.ToValidUTF8(a, "?"), strings.ToValidUTF8(b, "?")
		rng := rand.New(rand.NewPCG(seed, 5))
		entries := make([]kept, 1+n%300)
		for i := range entries {
			e := entry.Entry{Time: int64(rng.IntN(50)), Level: entry.Level(rng.IntN(2)), Message: mutate(rng, a)}
			for _, name := range []string{"x", a, b}[:rng.IntN(4)] {
				if _, ok := e.Field(name); !ok {
					e.Fields = append(e.Fields, entry.Field{Name: name, Kind: entry.Kind(rng.IntN(2)), Value: mutate(rng, b)})
				}
			}
			entries[i] = kept{uint64(i), e}
		}
		blk, _ := seal(t, block.Options{}, entries)
		requireSame(t, seed, blk, entries)
	})
}

// mutate changes an ASCII letter of s here and there.
func mutate(rng *rand.Rand, s string) string {
	m := []byte(s)
	for range rng.IntN(3) {
		if len(m) == 0 {
			break
		}
		if i := rng.IntN(len(m)); m[i] < 0x80 {
			m[i] = "0123456789abcdef.-\n\x01 "[rng.IntN(21)]
		}
	}

	return string(m)
}
