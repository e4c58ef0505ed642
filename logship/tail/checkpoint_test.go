package tail

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCheckpointComesBack(t *testing.T) {
	want := &state{
		Client: "host-1", Next: 7, Part: 3, Patterns: []string{"/a*"}, Lines: []byte("{}\n{}\n"),
		Files: []saved{{
			identity: identity{1, 1 << 63}, Born: 5, Path: "/a", Current: "/a.1", Seen: time.Unix(9, 0).UTC(), Copy: true,
			At:   position{4, true, []spot{{4, 1<<64 - 1}}},
			Past: []generation{{position{2, false, []spot{{2, 3}}}, true}},
		}},
	}
	text, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeState(append(text, want.Lines...))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestADamagedCheckpointIsRefused(t *testing.T) {
	w := newWorld(t, all)
	w.write("a.log", numbers(1, 3))
	w.read()
	text, err := os.ReadFile(w.path("checkpoint"))
	w.do(err)
	w.do(w.f.Close())
	for name, damaged := range map[string]string{
		"not a checkpoint": "{}\n", "damaged": string(text[:len(text)-1]), "move it away": "",
	} {
		w.do(os.WriteFile(w.path("checkpoint"), []byte(damaged), 0o600))
		_, err := New(Options{Files: []string{"x"}, Checkpoint: w.path("checkpoint"), Sink: w.sink})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), w.path("checkpoint")) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

func TestACheckpointServesOneFollower(t *testing.T) {
	w := newWorld(t, all)
	_, err := New(Options{Files: []string{"x"}, Checkpoint: w.path("checkpoint"), Sink: w.sink})
	if err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
}

func TestCheckpointsAreNotForEverybody(t *testing.T) {
	w := newWorld(t, all)
	w.read()
	info, err := os.Stat(w.path("checkpoint"))
	w.do(err)
	if info.Mode().Perm() != 0o600 { // There are lines in it.
		t.Errorf("its mode is %s", info.Mode())
	}
}

func FuzzDecodeState(f *testing.F) {
	s := &state{Client: "c", Next: 1, Lines: []byte("{}\n"), Files: []saved{{At: position{Offset: 1, Spots: []spot{{1, 2}}}}}}
	text, err := s.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(text, s.Lines...))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := decodeState(text)
		if err == nil && (s.Client == "" || s.Next == 0 || s.Part > len(s.Lines)) {
			t.Errorf("%q was taken", text)
		}
	})
}

// reversed is a cipher that only hides.
type reversed struct{}

func (reversed) Seal(dst, plaintext, _ []byte) []byte {
	text := slices.Clone(plaintext)
	slices.Reverse(text)

	return append(append(dst, "key1"...), text...)
}

func (r reversed) Open(dst, sealed, _ []byte) ([]byte, error) {
	if !bytes.HasPrefix(sealed, []byte("key1")) {
		return nil, errors.New("it was sealed with another key")
	}

	return r.Seal(dst, sealed[4:], nil)[4:], nil
}

func TestASealedCheckpointHidesTheLinesInFlight(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	s := &state{Client: "c", Next: 3, Lines: []byte("planted line\n")}
	for _, cipher := range []Cipher{nil, reversed{}} { // It may be sealed from some day on.
		if err := s.store(path, cipher); err != nil {
			t.Fatal(err)
		}
		back, err := load(path, reversed{})
		if err != nil || string(back.Lines) != "planted line\n" || back.Next != 3 {
			t.Errorf("it comes back as %+v (%v)", back, err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || bytes.Contains(text, []byte("planted")) {
		t.Errorf("the file holds %q (%v)", text, err)
	}
	if _, err := load(path, nil); err == nil || !strings.Contains(err.Error(), "it is encrypted, and no key is configured") {
		t.Errorf("without a key: %v", err)
	}
	if err := os.WriteFile(path, []byte(sealedMagic+"key2xx"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(path, reversed{}); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("with another key: %v", err)
	}
}
