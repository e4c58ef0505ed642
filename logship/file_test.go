package logship

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// contents returns the files of a folder by name, decompressed.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()

	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(entry.Name()) == ".gz" {
			unpacked, err := gzip.NewReader(bytes.NewReader(text))
			if err != nil {
				t.Fatalf("%s: %v", entry.Name(), err)
			}
			if text, err = io.ReadAll(unpacked); err != nil {
				t.Fatalf("%s: %v", entry.Name(), err)
			}
		}
		files[entry.Name()] = string(text)
	}

	return files
}

func openFile(t *testing.T, path string, options FileOptions) *File {
	t.Helper()

	file, err := OpenFile(path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, file) })

	return file
}

func write(t *testing.T, w io.Writer, text string) {
	t.Helper()

	if n, err := io.WriteString(w, text); err != nil || n != len(text) {
		t.Fatalf("wrote %d of %q: %v", n, text, err)
	}
}

func TestFileRotatesBetweenLines(t *testing.T) {
	for _, test := range []struct {
		name    string
		options FileOptions
		writes  []string
		want    map[string]string
	}{
		{"fills up to the size", FileOptions{MaxSize: 6, BackupCount: 3}, []string{"a1\n", "a2\n", "a3\n"}, map[string]string{"app.log": "a3\n", "app.log.1": "a1\na2\n"}},
		{"keeps so many backups", FileOptions{MaxSize: 3, BackupCount: 2}, []string{"1\n", "2\n", "3\n", "4\n"}, map[string]string{"app.log": "4\n", "app.log.1": "3\n", "app.log.2": "2\n"}},
		{"splits what is written at once", FileOptions{MaxSize: 6, BackupCount: 9}, []string{"a1\na2\na3\na4\na5\n"}, map[string]string{"app.log": "a5\n", "app.log.1": "a3\na4\n", "app.log.2": "a1\na2\n"}},
		{"gives a long line a file alone", FileOptions{MaxSize: 4, BackupCount: 9}, []string{"a\nlonger line\nb\n"}, map[string]string{"app.log": "b\n", "app.log.1": "longer line\n", "app.log.2": "a\n"}},
		{"without a size never", FileOptions{BackupCount: 9}, []string{"a1\n", "a2\n"}, map[string]string{"app.log": "a1\na2\n"}},
		{"without backups never", FileOptions{MaxSize: 1}, []string{"a1\n", "a2\n"}, map[string]string{"app.log": "a1\na2\n"}},
		{"compresses backups", FileOptions{MaxSize: 3, BackupCount: 2, Compress: true}, []string{"1\n", "2\n", "3\n", "4\n"}, map[string]string{"app.log": "4\n", "app.log.1.gz": "3\n", "app.log.2.gz": "2\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			file := openFile(t, dir+"/app.log", test.options)
			for _, text := range test.writes {
				write(t, file, text)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, contents(t, dir)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestFileLosesNoLineWhileRotating(t *testing.T) {
	const writers, lines = 8, 500
	for _, compress := range []bool{false, true} {
		t.Run("compress="+strconv.FormatBool(compress), func(t *testing.T) {
			dir := t.TempDir()
			file := openFile(t, dir+"/app.log", FileOptions{MaxSize: 100, BackupCount: writers * lines, Compress: compress, OnError: func(err error) { t.Error(err) }})
			async := NewAsync(file, AsyncOptions{BufferSize: 50})
			var group sync.WaitGroup
			for w := range writers {
				group.Go(func() {
					out := io.Writer(async)
					if w%2 == 0 {
						out = file // Some write beside it.
					}
					for n := range lines {
						fmt.Fprintf(out, "%d.%d\n", w, n)
					}
				})
			}
			group.Wait()
			closing(t, async)
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for name, text := range contents(t, dir) {
				if len(text) > 100 || !strings.HasSuffix(text, "\n") {
					t.Errorf("%s has %d bytes and ends in %q", name, len(text), text[len(text)-1:])
				}
				if compress && name != "app.log" && !strings.HasSuffix(name, ".gz") {
					t.Errorf("%s is not compressed", name)
				}
				got = append(got, strings.Fields(text)...)
			}
			for w := range writers {
				for n := range lines {
					want = append(want, fmt.Sprintf("%d.%d", w, n))
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestFileGoesOnWhereAnotherProcessStopped(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"app.log": "old\n", "app.log.1": "older\n", "app.log.2": "half", "app.log.gz.tmp": "rubbish"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var packed bytes.Buffer
	packer := gzip.NewWriter(&packed)
	write(t, packer, "oldest\n")
	closing(t, packer)
	if err := os.WriteFile(dir+"/app.log.2.gz", packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	file := openFile(t, dir+"/app.log", FileOptions{MaxSize: 5, BackupCount: 5, Compress: true})
	write(t, file, "new\n")
	closing(t, file)
	want := map[string]string{"app.log": "new\n", "app.log.1.gz": "old\n", "app.log.2.gz": "older\n", "app.log.3.gz": "oldest\n"}
	if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFileReopens(t *testing.T) {
	dir := t.TempDir()
	file := openFile(t, dir+"/logs/app.log", FileOptions{MaxSize: 100, BackupCount: 1})
	write(t, file, "a\n")
	if err := os.Rename(dir+"/logs/app.log", dir+"/logs/moved"); err != nil {
		t.Fatal(err)
	}
	write(t, file, "b\n")
	if err := file.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, file, "c\n")
	if diff := cmp.Diff(map[string]string{"moved": "a\nb\n", "app.log": "c\n"}, contents(t, dir+"/logs")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := file.Rotate(); err != nil {
		t.Fatal(err)
	}
	if err := file.Rotate(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"moved": "a\nb\n", "app.log.1": "c\n", "app.log": ""}, contents(t, dir+"/logs")); diff != "" {
		t.Errorf("after rotating twice (-want +got)\n%s", diff)
	}
}

func TestFileIsCutByOthers(t *testing.T) {
	dir := t.TempDir()
	file := openFile(t, dir+"/app.log", FileOptions{MaxSize: 6, BackupCount: 1})
	write(t, file, "a1\na2\n")
	if err := os.Truncate(dir+"/app.log", 0); err != nil {
		t.Fatal(err)
	}
	write(t, file, "a3\n")
	if diff := cmp.Diff(map[string]string{"app.log": "a3\n"}, contents(t, dir)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFileWritesOnWhenItCannotRotate(t *testing.T) {
	dir := t.TempDir()
	var reported []error
	file := openFile(t, dir+"/app.log", FileOptions{MaxSize: 16, BackupCount: 1, OnError: func(err error) { reported = append(reported, err) }})
	if err := os.MkdirAll(dir+"/app.log.1/occupied", 0o750); err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		write(t, file, fmt.Sprintf("line %d\n", n))
	}
	closing(t, file)
	text, err := os.ReadFile(dir + "/app.log")
	if err != nil || strings.Count(string(text), "\n") != 10 || len(reported) == 0 {
		t.Errorf("got %q, %v, reported %v", text, err, reported)
	}
}

func TestFileAfterClose(t *testing.T) {
	file := openFile(t, t.TempDir()+"/app.log", FileOptions{})
	if err := errors.Join(file.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	_, err := file.Write([]byte("x\n"))
	for _, err := range []error{err, file.Rotate(), file.Reopen()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := OpenFile(t.TempDir(), FileOptions{}); err == nil || !strings.Contains(err.Error(), "open log file") {
		t.Errorf("a folder was opened: %v", err)
	}
}
