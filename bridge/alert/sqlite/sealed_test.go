package sqlite

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"llmwatch/bridge/alert"
)

// gcm is a cipher of the tests' own.
type gcm struct{ cipher.AEAD }

func newGCM(t *testing.T) gcm {
	t.Helper()

	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}

	return gcm{aead}
}

func (g gcm) Seal(dst, plaintext, additional []byte) []byte {
	return g.AEAD.Seal(dst, nil, plaintext, additional)
}

func (g gcm) Open(dst, sealed, additional []byte) ([]byte, error) {
	return g.AEAD.Open(dst, nil, sealed, additional)
}

// planted are texts that must not be found in the files.
var planted = []string{"planted-annotation", "planted-comment", "planted-answer", "planted-label"}

// plant commits an alert, its timeline and a notification, delivered, that hold the
// planted texts.
func plant(t *testing.T, s *Store) {
	t.Helper()

	now := time.UnixMilli(time.Now().UnixMilli()).UTC()
	a := alert.Alert{
		ID: "disk_20240115", Name: "disk", Fingerprint: "f", Severity: alert.High, Status: alert.Active, FiredAt: now,
		Labels: map[string]string{"alertname": "disk", "host": "planted-label"}, Annotations: map[string]string{"summary": "planted-annotation"},
	}
	n := alert.Notification{Key: "disk/mail", Channel: "mail", Kind: alert.KindFiring, OwedAt: now, AlertIDs: []string{a.ID}, Alerts: []alert.Alert{a}}
	for _, c := range []alert.Changes{
		{
			Transitions: []alert.Transition{{Alert: a, Events: []alert.Event{{AlertID: a.ID, At: now, Kind: alert.EventFired, Text: "planted-comment"}}}},
		},
		{Notifications: []alert.Notification{n}},
		{Outcomes: []alert.Outcome{{Key: n.Key, At: now, State: alert.Delivered, Text: "planted-answer"}}},
	} {
		if err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

// found returns which of the planted texts stand in the files of the folder.
func found(t *testing.T, dir string) (texts []string) {
	t.Helper()

	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no files (%v)", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range planted {
			if bytes.Contains(content, []byte(text)) && !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}

	return texts
}

func reads(t *testing.T, s *Store) {
	t.Helper()

	got, err := s.Alerts(t.Context(), []string{"disk_20240115"})
	if err != nil || len(got) != 1 || got[0].Annotations["summary"] != "planted-annotation" {
		t.Errorf("the alert is %v (%v)", got, err)
	}
	events, err := s.Timeline(t.Context(), "disk_20240115")
	if err != nil || len(events) != 1 || events[0].Text != "planted-comment" {
		t.Errorf("its timeline is %v (%v)", events, err)
	}
}

func mustOpen(t *testing.T, path string, options ...Option) *Store {
	t.Helper()

	s, err := Open(t.Context(), path, options...)
	if err != nil {
		t.Fatal(err)
	}

	return s
}

func mustClose(t *testing.T, s *Store) {
	t.Helper()

	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestSealedTextsAreInNoFile(t *testing.T) {
	dir := t.TempDir()
	path, key := filepath.Join(dir, "llmwatch.db"), newGCM(t)
	s := mustOpen(t, path, Sealed(key))
	plant(t, s)
	if texts := found(t, dir); len(texts) > 0 {
		t.Errorf("%q stand in the files", texts)
	}
	reads(t, s)
	mustClose(t, s)

	for name, options := range map[string][]Option{"no key": nil, "another key": {Sealed(newGCM(t))}} {
		if s, err := Open(t.Context(), path, options...); err == nil {
			t.Errorf("%s opens it", name)
			mustClose(t, s)
		}
	}
	s = mustOpen(t, path, Sealed(key))
	reads(t, s)
	mustClose(t, s)
}

func TestWhatWasKeptInTheClearIsSealed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "llmwatch.db")
	s := mustOpen(t, path)
	plant(t, s)
	if texts := found(t, dir); len(texts) != len(planted) {
		t.Fatalf("without a key only %q stand in the files", texts)
	}
	mustClose(t, s)

	s = mustOpen(t, path, Sealed(newGCM(t)))
	reads(t, s)
	if texts := found(t, dir); len(texts) > 0 {
		t.Errorf("%q still stand in the files", texts)
	}
	mustClose(t, s)
}
