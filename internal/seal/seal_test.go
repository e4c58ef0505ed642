package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"
)

func newKey() string {
	key := make([]byte, KeySize)
	rand.Read(key)

	return base64.StdEncoding.EncodeToString(key)
}

func parse(tb testing.TB, lines ...string) *Keys {
	tb.Helper()

	k, err := Parse([]byte(strings.Join(lines, "\n")))
	if err != nil {
		tb.Fatal(err)
	}

	return k
}

func TestWhatIsSealedComesBack(t *testing.T) {
	key := newKey()
	k := parse(t, key)
	for _, text := range []string{"", "secret", strings.Repeat("x", 1<<16)} {
		sealed := k.Seal([]byte("head"), []byte(text), []byte("place"))
		if len(sealed) != len("head")+len(text)+k.Overhead() || text != "" && bytes.Contains(sealed, []byte(text)) {
			t.Fatalf("%d bytes are sealed as %d", len(text), len(sealed))
		}
		// Another process with the same key opens it, too.
		for _, opener := range []*Keys{k, parse(t, key)} {
			back, err := opener.Open([]byte("before "), sealed[4:], []byte("place"))
			if err != nil || string(back) != "before "+text {
				t.Errorf("%d bytes came back as %d (%v)", len(text), len(back), err)
			}
		}
	}
}

func TestNothingElseOpensIt(t *testing.T) {
	k := parse(t, newKey())
	sealed := k.Seal(nil, []byte("secret"), []byte("place"))
	if _, err := parse(t, newKey()).Open(nil, sealed, []byte("place")); !errors.Is(err, ErrKey) {
		t.Errorf("another key: %v", err)
	}
	if _, err := k.Open(nil, sealed, []byte("elsewhere")); !errors.Is(err, ErrKey) {
		t.Errorf("another place: %v", err)
	}
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		if plain, err := k.Open(nil, altered, []byte("place")); err == nil {
			t.Errorf("byte %d altered: %q", i, plain)
		}
		if _, err := k.Open(nil, sealed[:i], []byte("place")); err == nil {
			t.Errorf("%d bytes are taken for a message", i)
		}
	}
}

func TestKeysCanBeChanged(t *testing.T) {
	before, after := newKey(), newKey()
	old := parse(t, before)
	sealed := old.Seal(nil, []byte("secret"), nil)
	both := parse(t, "# since November", after, "", before)
	if plain, err := both.Open(nil, sealed, nil); err != nil || string(plain) != "secret" {
		t.Errorf("what the old key sealed is %q (%v)", plain, err)
	}
	if _, err := old.Open(nil, both.Seal(nil, []byte("new"), nil), nil); !errors.Is(err, ErrKey) {
		t.Errorf("the old key still seals: %v", err)
	}
}

func TestParseNamesTheLineAndNotTheKey(t *testing.T) {
	key := newKey()
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	parse(t, hex.EncodeToString(raw))
	parse(t, base64.RawURLEncoding.EncodeToString(raw))
	for _, text := range []string{"", "# only a comment", key[:20], key + "\n" + key + "x", "\x00", strings.Repeat("a", 1<<17)} {
		_, err := Parse([]byte(text))
		if err == nil || len(text) >= 20 && strings.Contains(err.Error(), text[:20]) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestNoNonceIsUsedTwice(t *testing.T) {
	k := parse(t, newKey())
	var mu sync.Mutex
	seen := map[string]bool{}
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range 500 {
				head := string(k.Seal(nil, nil, nil)[:saltSize+countSize])
				mu.Lock()
				if seen[head] {
					t.Error("two messages have the same salt and number")
				}
				seen[head] = true
				mu.Unlock()
			}
		})
	}
	running.Wait()
	if other := parse(t, newKey()); other.own == k.own {
		t.Error("two processes have the same salt")
	}
}

func TestSaltsOfOthersAreBounded(t *testing.T) {
	key := newKey()
	k := parse(t, key)
	for range maxDerived * 3 {
		sealed := parse(t, key).Seal(nil, []byte("x"), nil)
		if _, err := k.Open(nil, sealed, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.derived) > maxDerived {
		t.Errorf("%d keys are kept", len(k.derived))
	}
}

func FuzzOpen(f *testing.F) {
	k := parse(f, newKey())
	f.Add(k.Seal(nil, []byte("secret"), nil))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if plain, err := k.Open(nil, sealed, nil); err == nil && string(plain) != "secret" {
			t.Errorf("%x opens as %q", sealed, plain)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k := parse(b, newKey())
	plain, dst := make([]byte, 64<<10), []byte(nil)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		dst = k.Seal(dst[:0], plain, nil)
	}
}
