package bridge

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRunbooks(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	var all struct {
		Data  []map[string]string
		Count int
	}
	if status := b.get("/runbooks", &all); status != http.StatusOK || all.Count != 2 {
		t.Errorf("%d, %d runbooks", status, all.Count)
	}
	want := []map[string]string{{"name": "cpu", "title": "The processor"}, {"name": "disk", "title": "The disk"}}
	if diff := cmp.Diff(want, all.Data); diff != "" {
		t.Errorf("runbooks (-want +got):\n%s", diff)
	}
	var one struct{ Data map[string]string }
	if status := b.get("/runbooks/cpu", &one); status != http.StatusOK {
		t.Errorf("one is answered with %d", status)
	}
	wantOne := map[string]string{
		"name": "cpu", "title": "The processor", "markdown": "# The processor\n\nLook at `top`, then at [disk](disk.md).\n",
	}
	if diff := cmp.Diff(wantOne, one.Data); diff != "" {
		t.Errorf("runbook (-want +got):\n%s", diff)
	}
}

func TestRunbooksThatAreNotThere(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	for _, name := range []string{"memory", "notes", "notes.txt", "cpu.md", "CPU", "..", ".", "%2e%2e%2fcpu", "..%2Fcpu", "%00", "a%5Cb", strings.Repeat("x", 5000)} {
		var answer struct {
			Error struct{ Code, Message string }
		}
		if status := b.get("/runbooks/"+name, &answer); status != http.StatusNotFound || answer.Error.Code != CodeNotFound || len(answer.Error.Message) > 500 {
			t.Errorf("%q is answered with %d %+v", name, status, answer.Error)
		}
	}
}
