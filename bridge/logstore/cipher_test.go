package logstore_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

type gcm struct{ cipher.AEAD }

func newGCM(t *testing.T, key byte) gcm {
	t.Helper()
	c, err := aes.NewCipher(bytes.Repeat([]byte{key}, 32))
	if err != nil {
		t.Fatal(err)
	}
	a, err := cipher.NewGCMWithRandomNonce(c)
	if err != nil {
		t.Fatal(err)
	}

	return gcm{a}
}

func (g gcm) Seal(dst, plaintext, additional []byte) []byte {
	return g.AEAD.Seal(dst, nil, plaintext, additional)
}

func (g gcm) Open(dst, sealed, additional []byte) ([]byte, error) {
	return g.AEAD.Open(dst, nil, sealed, additional)
}

func TestNothingOfTheEntriesIsReadableWithACipher(t *testing.T) {
	dir := t.TempDir()
	with := func(c *logstore.Config) { c.Cipher = newGCM(t, 1) }
	s := open(t, dir, nil, 100, with)
	add := func() {
		var b entry.Batch
		for i := range 150 {
			b.Add(&entry.Entry{Logger: "secretlogger", Message: "secretmessage " + rand.Text(), Fields: []entry.Field{{Name: "secretname", Value: fmt.Sprint("secretvalue", i)}}})
		}
		if _, err := s.AppendOnce(t.Context(), "secretclient", s.Stats().Entries+1, &b); err != nil {
			t.Fatal(err)
		}
	}
	add()
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	add() // Stays in the write-ahead log.
	shut(t, s)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		kinds[filepath.Ext(name)] = true
		if bytes.Contains(bytes.ToLower(b), []byte("secret")) {
			t.Errorf("%s can be read", name)
		}
	}
	if !kinds[".block"] || !kinds[".wal"] {
		t.Fatalf("the files are %v", files)
	}
	s = open(t, dir, nil, 100, with)
	if got, _ := search(t, s, logstore.Query{Filter: entry.Filter{Loggers: []string{"secretlogger"}}}); len(got) != 300 {
		t.Errorf("%d lines are found with the key", len(got))
	}
	shut(t, s)
	for what, c := range map[string]*gcm{"another key": new(gcm), "no key": nil} {
		cfg := logstore.Config{Dir: dir}
		if c != nil {
			cfg.Cipher = newGCM(t, 2)
		}
		if _, err := logstore.Open(cfg); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("opened with %s: %v", what, err)
		}
	}
	if s := open(t, dir, nil, 100, with); len(s.Stats().Damaged) > 0 {
		t.Errorf("the attempts did damage: %v", s.Stats().Damaged)
	}
}

func TestAPlainStoreIsNotTakenForAnEncryptedOne(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir, nil, 100).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := logstore.Open(logstore.Config{Dir: dir, Cipher: newGCM(t, 1)}); err == nil || !strings.Contains(err.Error(), "not encrypted") {
		t.Errorf("opened with a key: %v", err)
	}
}
