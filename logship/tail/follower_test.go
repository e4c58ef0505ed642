package tail

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"llmwatch/logship"
)

var (
	all     = Options{Files: []string{"a.log*"}, FromStart: true}
	onlyLog = Options{Files: []string{"a.log"}, FromStart: true}
)

func TestFollowsFromTheEndUnlessFromStart(t *testing.T) {
	w := newWorld(t, Options{Files: []string{"a.log*"}})
	w.reopen(Options{Files: []string{"a.log*"}}) // Before it saved anything.
	w.write("a.log", numbers(1, 3))
	w.step(0)
	w.expect(numbers(1, 3)) // It came after the first look.

	w = newWorld(t, Options{Files: []string{"none"}})
	w.write("a.log", numbers(1, 3)+`{"message"`)
	w.step(0)
	w.reopen(Options{Files: []string{"none", "a.log"}})
	w.step(0)
	w.write("a.log", `:"4"}`+"\n"+numbers(5, 5))
	w.step(0)
	w.expect(numbers(4, 5))
}

func TestReadsOnlyWholeLines(t *testing.T) {
	w := newWorld(t, all)
	w.write("a.log", numbers(1, 1)+`{"mess`)
	w.step(time.Hour)
	w.expect(numbers(1, 1))
	w.write("a.log", `age":"2"}`+"\n")
	w.step(0)
	w.expect(numbers(1, 2))
}

func TestReadsARenamedFileToItsEnd(t *testing.T) {
	w := newWorld(t, onlyLog)
	w.write("a.log", numbers(1, 2))
	w.step(0)
	w.write("a.log", numbers(3, 3))
	w.do(os.Rename(w.path("a.log"), w.path("a.log.1")))
	w.write("a.log", numbers(5, 5))
	w.step(0)
	w.write("a.log.1", numbers(4, 4)) // By who has it open still.
	w.step(time.Second)
	w.expect(numbers(1, 3) + numbers(5, 5) + numbers(4, 4))
}

func TestFindsWhatMovedWhileNobodyLooked(t *testing.T) {
	w := newWorld(t, onlyLog)
	w.write("a.log", numbers(1, 2))
	w.step(0)
	w.write("a.log", numbers(3, 3))
	w.do(os.Rename(w.path("a.log"), w.path("a.log.1")))
	w.write("a.log", numbers(4, 4))
	w.reopen(onlyLog)
	w.step(0)
	w.expect(numbers(1, 4))
}

func TestReadsADeletedFileToItsEndAndLetsItGo(t *testing.T) {
	w := newWorld(t, all)
	w.write("a.log", numbers(1, 2))
	w.f.scan(w.now)
	w.do(os.Remove(w.path("a.log")))
	w.step(0)
	w.expect(numbers(1, 2))
	if len(w.f.files) != 1 {
		t.Errorf("%d files are followed, want the deleted one for a while", len(w.f.files))
	}
	w.step(deletedAfter + time.Second)
	if len(w.f.files) != 0 {
		t.Error("a deleted file is kept open")
	}
}

func TestTheLastLineOfARotatedFileNeedsNoEnd(t *testing.T) {
	w := newWorld(t, onlyLog)
	w.write("a.log", numbers(1, 1)+strings.TrimSpace(numbers(2, 2)))
	w.step(0)
	w.do(os.Remove(w.path("a.log")))
	w.step(time.Second)
	w.expect(numbers(1, 1))
	w.step(endedAfter)
	w.expect(numbers(1, 2))
}

func TestNoticesATruncationAlthoughTheFileHasGrownAgain(t *testing.T) {
	w := newWorld(t, all)
	header := strings.Repeat(numbers(0, 0), 100) // The files begin with the same 1.5 kB.
	w.write("a.log", header+numbers(1, 5))
	w.step(0)
	w.do(os.Truncate(w.path("a.log"), 0))
	w.write("a.log", header+numbers(11, 30))
	w.step(0)
	w.expect(header + numbers(1, 5) + header + numbers(11, 30))
}

// A file that is shorter than what was read of it must not be taken for one that
// has nothing new.
func TestNoticesATruncationWhileNobodyLooked(t *testing.T) {
	for name, n := range map[string]int{"shorter": 3, "as long": 5, "longer": 9} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, all)
			w.write("a.log", numbers(11, 15))
			w.step(0)
			w.do(w.f.Close())
			w.do(os.Truncate(w.path("a.log"), 0))
			w.write("a.log", numbers(21, 20+n))
			w.open(all)
			w.step(time.Second)
			w.step(time.Second)
			w.expect(numbers(11, 15) + numbers(21, 20+n))
		})
	}
}

func TestReadsOnInTheCopyOfATruncatedFile(t *testing.T) {
	for name, restart := range map[string]bool{"alive": false, "started again": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, all)
			w.write("a.log", numbers(1, 3))
			w.step(0)
			w.write("a.log", numbers(4, 6))
			w.copyFile("a.log", "a.log.1")
			w.do(os.Truncate(w.path("a.log"), 0))
			w.write("a.log", numbers(7, 9))
			if restart {
				w.reopen(all)
			}
			w.step(0)
			w.step(time.Second)
			w.expect(numbers(1, 3) + numbers(7, 9) + numbers(4, 6))
		})
	}
}

func TestACopyIsLeftOutUntilItDiffers(t *testing.T) {
	w := newWorld(t, all)
	w.write("a.log", numbers(1, 3))
	w.step(0)
	w.copyFile("a.log", "a.log.bak")
	w.step(time.Second)
	w.reopen(all)
	w.step(time.Hour)
	w.expect(numbers(1, 3))

	w.write("a.log", numbers(4, 4))
	w.step(time.Second)
	w.expect(numbers(1, 4)) // It is a copy of the first lines still.

	w.write("a.log.bak", numbers(5, 5))
	w.step(time.Second)
	w.expect(numbers(1, 4) + numbers(1, 3) + numbers(5, 5))
}

func TestACopyIsMadeWhileTheSinkIsAway(t *testing.T) {
	w := newWorld(t, all)
	w.write("a.log", numbers(1, 3))
	w.step(0)
	for generation := range 3 { // Nothing is read meanwhile.
		first := 10 * (generation + 1)
		w.write("a.log", numbers(first, first+2))
		w.f.scan(w.now)
		copied := "a.log." + strings.Repeat("x", generation+1)
		w.copyFile("a.log", copied)
		w.f.scan(w.now)
		w.do(os.Truncate(w.path("a.log"), 0))
		w.f.scan(w.now)
	}
	w.step(0)
	w.expect(numbers(1, 3) + numbers(10, 12) + numbers(20, 22) + numbers(30, 32))
}

func TestCompressedBackupsAreLeftOut(t *testing.T) {
	w := newWorld(t, all)
	w.write("a.log.1.gz", numbers(1, 1))
	w.write("a.log.2.zst", numbers(2, 2))
	w.step(0)
	w.expect("")
}

func TestABatchInFlightIsSentAgainAsItWas(t *testing.T) {
	w := newWorld(t, all)
	w.write("a.log", numbers(1, 3))
	w.step(0)
	w.write("a.log", "plain line, with the time of reading\n")
	w.now = w.now.Add(time.Second)
	w.f.scan(w.now)
	w.now = w.now.Add(time.Minute)
	w.read() // The process dies before it is delivered, or before it is told so.
	w.do(os.Remove(w.path("a.log")))
	want := string(w.f.lines)
	client := w.f.client

	w.now = w.now.Add(time.Hour)
	w.reopen(all)
	w.step(0)
	if len(w.sink.got) != 2 {
		t.Fatalf("%d batches, want 2", len(w.sink.got))
	}
	if b := w.sink.got[1]; b.Client != client || b.Number != 2 || string(b.Lines) != want || !strings.Contains(want, "plain") {
		t.Errorf("got batch %d of %s: %swant %s", b.Number, b.Client, b.Lines, want)
	}
}

func TestAFailedBatchIsDeliveredAgainBeforeAnyOther(t *testing.T) {
	w := newWorld(t, all)
	w.sink.answers = []error{errors.New("away"), errors.New("away")}
	w.write("a.log", numbers(1, 3))
	w.step(0)
	w.write("a.log", numbers(4, 4))
	for range 5 {
		w.step(time.Minute)
	}
	w.expect(numbers(1, 4))
	if a, b := w.sink.got[0], w.sink.got[1]; a.Number != b.Number || string(a.Lines) != string(b.Lines) {
		t.Errorf("batch %d was followed by %d", a.Number, b.Number)
	}
	if s := w.f.Stats(); s.Failures != 2 || s.Batches != 2 || s.Entries != 4 {
		t.Errorf("%+v", s)
	}
}

func TestARefusedBatchIsGivenUpAndCounted(t *testing.T) {
	w := newWorld(t, all)
	w.sink.answers = []error{logship.ErrRefused}
	w.write("a.log", numbers(1, 3))
	w.step(0)
	w.write("a.log", numbers(4, 4))
	w.step(0)
	w.expect(numbers(4, 4))
	if s := w.f.Stats(); s.RefusedEntries != 3 || w.sink.kept[0].Number != 2 {
		t.Errorf("%+v, batch %d", s, w.sink.kept[0].Number)
	}
}

func TestATooLargeBatchIsHalvedUntilItFits(t *testing.T) {
	w := newWorld(t, all)
	w.sink.answers = []error{logship.ErrTooLarge, logship.ErrTooLarge, nil, logship.ErrTooLarge, logship.ErrTooLarge, logship.ErrTooLarge}
	w.write("a.log", numbers(1, 8))
	w.f.scan(w.now)
	w.step(0)
	// 8 and 4 are too large, and 2 are taken. The 6 left, 3 and 1 are too large: that
	// one is given up.
	w.expect(numbers(1, 2) + numbers(4, 8))
	seen := map[uint64]int{}
	for _, b := range w.sink.kept {
		seen[b.Number]++
		if seen[b.Number] > 1 {
			t.Errorf("two batches have the number %d", b.Number)
		}
	}
	if s := w.f.Stats(); s.RefusedEntries != 1 {
		t.Errorf("%d entries were refused, want 1", s.RefusedEntries)
	}
}

func TestHalfABatchSurvivesTheProcess(t *testing.T) {
	w := newWorld(t, all)
	w.write("a.log", numbers(1, 4))
	w.read()
	w.f.settle(w.c, logship.ErrTooLarge)
	w.do(w.f.save())
	w.reopen(all)
	w.step(0)
	w.expect(numbers(1, 4))
	if first := w.sink.got[0]; first.Number != 1 || string(first.Lines) != numbers(1, 2) {
		t.Errorf("batch %d is %s", first.Number, first.Lines)
	}
}

func TestBatchesAreBounded(t *testing.T) {
	w := newWorld(t, Options{Files: []string{"a.log*"}, FromStart: true, BatchBytes: 100})
	w.write("a.log", numbers(1, 50))
	w.write("a.log.1", numbers(51, 99))
	w.step(0)
	for _, b := range w.sink.got {
		if len(b.Lines) > 120 {
			t.Errorf("a batch has %d bytes", len(b.Lines))
		}
	}
	if s := w.f.Stats(); s.Entries != 99 {
		t.Errorf("%d entries, want 99", s.Entries)
	}
}

func TestAFileIsKnownOnAnotherDeviceNumber(t *testing.T) {
	w := newWorld(t, all)
	w.write("a.log", numbers(1, 3))
	w.step(0)
	for _, file := range w.f.files {
		file.Device++ // As after a restart of the machine.
	}
	w.do(w.f.save())
	w.write("a.log", numbers(4, 4))
	w.reopen(all)
	w.step(0)
	w.expect(numbers(1, 4))
}

func TestACheckpointThatCannotBeWrittenHoldsTheBatch(t *testing.T) {
	w := newWorld(t, all)
	w.write("a.log", numbers(1, 3))
	w.do(os.Mkdir(w.path("checkpoint.tmp"), 0o755)) // Where it is written first.
	w.step(0)
	w.step(time.Minute)
	if len(w.sink.got) > 0 {
		t.Error("a batch was delivered that a crash would make again under the same number")
	}
	w.do(os.Remove(w.path("checkpoint.tmp")))
	w.step(time.Minute)
	w.expect(numbers(1, 3))
}

func TestRunDeliversWhatIsThereAndStops(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, dir: dir, sink: &sink{}}
		w.write("a.log", numbers(1, 3)+"plain\n at its trace\n")
		f, err := New(Options{Files: []string{w.path("a.log*")}, Checkpoint: w.path("checkpoint"), Sink: w.sink, FromStart: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		time.Sleep(time.Minute)
		w.write("a.log", numbers(4, 4)+"plain, just now\n")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := f.Stats(); s.Entries != 6 {
			t.Errorf("%d entries, want 6", s.Entries)
		}
	})
}

// stuck is a sink that never answers.
type stuck struct{}

func (stuck) Deliver(ctx context.Context, _ logship.Batch) error {
	<-ctx.Done()

	return ctx.Err()
}

func TestRunStopsInTimeAlthoughTheSinkIsStuck(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, dir: dir, sink: &sink{}}
		w.write("a.log", numbers(1, 3))
		f, err := New(Options{Files: []string{w.path("a.log*")}, Checkpoint: w.path("checkpoint"), Sink: stuck{}, FromStart: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		time.Sleep(time.Minute)
		cancel()
		begin := time.Now()
		if err := <-done; err != nil || time.Since(begin) > 5*time.Second {
			t.Errorf("it stopped after %s with %v", time.Since(begin), err)
		}
	})
	w := &world{t: t, dir: dir, now: time.Now(), sink: &sink{}}
	w.open(all)
	w.step(0)
	w.expect(numbers(1, 3))
}

func TestOptionsAreChecked(t *testing.T) {
	for want, options := range map[string]Options{
		"needs files":          {Checkpoint: "x", Sink: &sink{}},
		"a checkpoint":         {Files: []string{"x"}, Sink: &sink{}},
		`"[" is not a path`:    {Files: []string{"["}, Checkpoint: "x", Sink: &sink{}},
		`"" is not a path`:     {Files: []string{""}, Checkpoint: "x", Sink: &sink{}},
		"from 1 to 524288":     {Files: []string{"x"}, Checkpoint: "x", Sink: &sink{}, MaxEntryBytes: 1 << 20},
		"full at 1 to 4194304": {Files: []string{"x"}, Checkpoint: "x", Sink: &sink{}, BatchBytes: 8 << 20},
		"must be more than 0":  {Files: []string{"x"}, Checkpoint: "x", Sink: &sink{}, Poll: -1},
		"no such file or dire": {Files: []string{"x"}, Checkpoint: "/nowhere/x", Sink: &sink{}},
	} {
		if _, err := New(options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
