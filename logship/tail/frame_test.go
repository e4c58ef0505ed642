package tail

import (
	"strings"
	"testing"
	"time"
)

func TestUnframeKnowsFramesOfContainerRuntimes(t *testing.T) {
	at := time.Date(2016, 10, 6, 0, 17, 9, 669794202, time.UTC)
	for line, want := range map[string]framed{
		"2016-10-06T00:17:09.669794202Z stdout F The content":      {at, "stdout", false, []byte("The content")},
		"2016-10-06T02:17:09.669794202+02:00 stderr P part":        {at, "stderr", true, []byte("part")},
		"2016-10-06T00:17:09.669794202Z stdout F ":                 {at, "stdout", false, nil},
		"2016-10-06T00:17:09.669794202Z stdout F":                  {at, "stdout", false, nil},
		"2016-10-06T00:17:09.669794202Z stdout F  indented":        {at, "stdout", false, []byte(" indented")},
		`2016-10-06T00:17:09.669794202Z stderr F {"message":"hi"}`: {at, "stderr", false, []byte(`{"message":"hi"}`)},
	} {
		got, ok := unframe([]byte(line))
		if !ok || !got.at.Equal(want.at) || got.stream != want.stream || got.partial != want.partial || string(got.text) != string(want.text) {
			t.Errorf("%q is read as %+v, %v", line, got, ok)
		}
	}
	for _, line := range []string{
		"", "plain", "2016-10-06T00:17:09Z", "2016-10-06T00:17:09Z stdout", "2016-10-06T00:17:09Z stdout X text", "2016-10-06T00:17:09Z stdin F text",
		"2016-10-06 00:17:09 stdout F text", "2016-13-06T00:17:09Z stdout F text", "2016-10-06T00:17:09Z stdout Fine text", "xxxx-xx-xxTxx:xx:xxZ stdout F text",
	} {
		if got, ok := unframe([]byte(line)); ok {
			t.Errorf("%q is read as %+v", line, got)
		}
	}
}

func TestFramedEntriesAreJoinedWithoutTheirFrames(t *testing.T) {
	stamp := "2016-10-06T00:17:09Z "
	file := strings.Join([]string{
		stamp + `stdout F {"message":"one"}`,
		stamp + `stdout P {"message":`,
		stamp + `stdout F "two"}`,
		stamp + "stderr F panic: boom",
		stamp + "stderr F ",
		stamp + "stderr F goroutine 1 [running]:",
		stamp + "stderr P \tmain.go:",
		stamp + "stderr F 12",
		stamp + "stdout F \tof another stream",
		stamp + "stderr F last",
		"",
	}, "\n")
	want := []string{`{"message":"one"}`, `{"message":"two"}`, "panic: boom\n\ngoroutine 1 [running]:\n\tmain.go:12", "\tof another stream", "last"}
	s := &splitter{maxBytes: 1 << 10, maxLines: 100, continuation: DefaultContinuation}
	data := []byte(file)
	for i, text := range want {
		p := s.next(data, true, false)
		if string(p.text) != text || p.at.IsZero() {
			t.Fatalf("entry %d is %q, want %q", i, p.text, text)
		}
		data = data[p.size:]
	}
	if len(data) != 0 {
		t.Errorf("%q is left", data)
	}
	// What may go on is waited for; a whole object is not.
	if p := s.next([]byte(stamp+"stderr F panic: boom\n"), false, false); p.size != 0 {
		t.Errorf("an entry that may go on is taken: %q", p.text)
	}
	if p := s.next([]byte(stamp+"stdout F {}\n"), false, false); string(p.text) != "{}" {
		t.Errorf("an object is not taken: %+v", p)
	}
	if p := s.next([]byte(stamp+"stdout P {\n"), false, false); p.size != 0 {
		t.Errorf("half a line is taken: %q", p.text)
	}
}

func TestFramedLinesOfPlainTextHaveTheFramesTime(t *testing.T) {
	e := &encoder{zone: time.UTC}
	p := (&splitter{maxBytes: 1 << 10}).next([]byte("2016-10-06T00:17:09.669794202Z stderr F oh no\n"), true, false)
	got := string(e.append(nil, p, newLabel("/var/log/pods/a/0.log"), time.Now()))
	if !strings.HasPrefix(got, `{"timestamp":"2016-10-06T00:17:09.669Z","level":"INFO"`) || !strings.Contains(got, `"message":"oh no"`) {
		t.Errorf("it becomes %s", got)
	}
}

func FuzzUnframed(f *testing.F) {
	f.Add([]byte("2016-10-06T00:17:09Z stdout P {\n2016-10-06T00:17:09Z stdout F }\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, quiet bool) {
		s := &splitter{maxBytes: 64, maxLines: 4, continuation: DefaultContinuation}
		for len(data) > 0 {
			p := s.next(data, quiet, quiet)
			if p.size < 0 || p.size > len(data) || len(p.text) > p.size+s.maxLines {
				t.Fatalf("%+v of %d bytes", p, len(data))
			}
			if p.size == 0 {
				return
			}
			data = data[p.size:]
		}
	})
}
