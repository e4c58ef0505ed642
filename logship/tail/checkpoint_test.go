package tail

import (
	"os"
	"reflect"
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
