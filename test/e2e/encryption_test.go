package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newKey() string {
	key := make([]byte, 32)
	rand.Read(key)

	return base64.StdEncoding.EncodeToString(key)
}

// findBytes returns the files below a folder that hold the text.
func findBytes(t *testing.T, dir, text string) (files []string) {
	t.Helper()

	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && entry.IsDir() {
			return nil // Files come and go while the program runs.
		}
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if bytes.Contains(content, []byte(text)) {
			files = append(files, path)
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return files
}

// send posts a body and expects 200.
func (r *rest) send(path, body string) {
	r.t.Helper()

	resp, err := http.Post(r.base+path, "application/json", strings.NewReader(body)) //nolint:noctx // The client's own time-out is none of this.
	if err != nil {
		r.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		r.t.Fatalf("POST %s answers %s", path, resp.Status)
	}
}

// TestWhatIsEncryptedIsNowhereInTheClear looks for what was logged and told in the
// bytes of every file, while the program runs and after it has stopped.
func TestWhatIsEncryptedIsNowhereInTheClear(t *testing.T) {
	t.Parallel()
	const inLog, inAlert = "planted-in-a-log-entry", "planted-in-an-alert"
	plant := func(api *rest) {
		for range 50 {
			api.send(apiBase+"/logs", fmt.Sprintf(`{"message":%q,"level":"ERROR","logger":"shop"}`, strings.Repeat(inLog+" ", 20)))
		}
		api.send("/api/v2/alerts", fmt.Sprintf(`[{"labels":{"alertname":"planted","severity":"high"},"annotations":{"summary":%q}}]`, inAlert))
		waitFor(t, 10*time.Second, "the entries to be found", func() error {
			var found struct{ Count int }
			api.get("/logs/search?logger=shop&pattern="+inLog, &found)
			var alerts alertsAnswer
			api.get("/alerts?name=planted", &alerts)
			if found.Count != 50 || alerts.Count != 1 {
				return fmt.Errorf("%d entries, %d alerts", found.Count, alerts.Count)
			}

			return nil
		})
	}

	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	p, api := llmwatch(t, "serve", "--data-dir", open)
	plant(api)
	p.signal(terminate)
	if len(findBytes(t, open, inAlert)) == 0 {
		t.Error("what is not encrypted is not found either: this test could not fail")
	}

	key := write(t, "key", newKey())
	env := []string{"LLMWATCH_SECURITY_ENCRYPT_SENSITIVE_DATA=true", "LLMWATCH_SECURITY_ENCRYPTION_KEY_FILE=" + key}
	sealed := filepath.Join(dir, "sealed")
	p, api = llmwatchWith(t, env, "serve", "--data-dir", sealed)
	plant(api)
	for _, text := range []string{inLog, inAlert} {
		if files := findBytes(t, sealed, text); len(files) > 0 {
			t.Errorf("%q stands in %v", text, files)
		}
	}
	p.signal(terminate)
	for _, text := range []string{inLog, inAlert} {
		if files := findBytes(t, sealed, text); len(files) > 0 {
			t.Errorf("afterwards %q stands in %v", text, files)
		}
	}

	for name, env := range map[string][]string{
		"without a key":    nil,
		"with another key": {env[0], "LLMWATCH_SECURITY_ENCRYPTION_KEY=" + newKey()},
	} {
		p := runWith(t, env, binary, "serve", "--data-dir", sealed, "--listen", "127.0.0.1:0", "--log-format", "json")
		<-p.exited
		if code := p.cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(p.log.String(), "encrypted") && !strings.Contains(p.log.String(), "another key") {
			t.Errorf("%s it exits %d: %s", name, code, p.log)
		}
	}

	// A key is changed by putting another one before it.
	old, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	both := write(t, "keys", newKey()+"\n"+string(old))
	_, api = llmwatchWith(t, []string{env[0], "LLMWATCH_SECURITY_ENCRYPTION_KEY_FILE=" + both}, "serve", "--data-dir", sealed)
	var found struct{ Count int }
	if api.get("/logs/search?logger=shop", &found); found.Count != 50 {
		t.Errorf("after the change %d entries are found", found.Count)
	}
	if _, alerts := api.raw(http.MethodGet, apiBase+"/alerts/history?name=planted", nil); !strings.Contains(string(alerts), inAlert) {
		t.Errorf("after the change the alerts are %s", alerts)
	}
}
