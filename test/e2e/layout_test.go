package e2e

import (
	"database/sql"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // To put a database forward.
)

// layouts are data directories as earlier versions left them. A new folder is made
// when a layout changes; none is ever altered.
func layouts(t *testing.T) []string {
	t.Helper()

	folders, err := filepath.Glob("testdata/layouts/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("there are no data directories of earlier versions (%v)", err)
	}

	return folders
}

// copied returns a copy of a data directory.
func copied(t *testing.T, from string) string {
	t.Helper()

	to := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}

	return to
}

func TestDataOfEarlierVersionsIsKept(t *testing.T) {
	t.Parallel()
	for _, folder := range layouts(t) {
		dir := copied(t, folder)
		_, api := llmwatch(t, "serve", "--data-dir", dir, "--logs-retention-time", "0")

		var a struct {
			Data struct {
				Status string `json:"status"`
				Ack    *struct {
					By      string `json:"by"`
					Comment string `json:"comment"`
				} `json:"acknowledgement"`
				Timeline []any `json:"timeline"`
			} `json:"data"`
		}
		if code := api.get("/alerts/fixture_20261125", &a); code != http.StatusOK || a.Data.Ack == nil || a.Data.Ack.By != "somebody" || a.Data.Ack.Comment != "I have it" || len(a.Data.Timeline) < 2 {
			t.Errorf("%s: the alert answers %d and is %+v", folder, code, a.Data)
		}
		if code := api.get("/rules/fixture_rule", nil); code != http.StatusOK {
			t.Errorf("%s: the rule answers %d", folder, code)
		}
		var stats struct {
			Data struct {
				Store struct {
					Entries int `json:"entries"`
					Damaged int `json:"damaged"`
				} `json:"store"`
			} `json:"data"`
		}
		api.get("/logs/statistics", &stats)
		// 8,000 in a block, 40 in the write-ahead log, and what the program said itself.
		var sealed, ahead struct {
			Data []struct {
				Message string `json:"message"`
			} `json:"data"`
		}
		api.get("/logs/search?logger=fixture&level=INFO&field.n=4321&start=2026-11-24T00:00:00Z", &sealed)
		api.get("/logs/search?logger=fixture&level=ERROR&start=2026-11-24T00:00:00Z", &ahead)
		if len(sealed.Data) != 1 || !strings.HasPrefix(sealed.Data[0].Message, "sealed 4321 ") || len(ahead.Data) != 40 || stats.Data.Store.Damaged != 0 {
			t.Errorf("%s: found %d sealed and %d others; %+v", folder, len(sealed.Data), len(ahead.Data), stats.Data.Store)
		}
	}
}

func TestDataOfNewerVersionsIsRefused(t *testing.T) {
	t.Parallel()
	for part, forward := range map[string]func(dir string) error{
		"log store": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "logs", "VERSION"), []byte(`{"version":99}`), 0o600)
		},
		"database": func(dir string) error {
			db, err := sql.Open("sqlite", filepath.Join(dir, "llmwatch.db"))
			if err != nil {
				return err
			}
			_, err = db.ExecContext(t.Context(), `UPDATE schema_versions SET version = 99`)

			return errors.Join(err, db.Close())
		},
	} {
		dir := copied(t, "testdata/layouts/1")
		if err := forward(dir); err != nil {
			t.Fatal(err)
		}
		p := run(t, binary, "serve", "--data-dir", dir, "--listen", "127.0.0.1:0", "--log-format", "json")
		<-p.exited
		said := p.log.String()
		if code := p.cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(said, "99") || !strings.Contains(said, "newer") {
			t.Errorf("with a newer %s it exits %d: %s", part, code, said)
		}
	}
}
