package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/gorilla/mux"
)

// runbookView is what to do about an alert.
type runbookView struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// Markdown is left out where only the names are asked for.
	Markdown string `json:"markdown,omitempty"`
}

// readRunbook reads one.
func (s *server) readRunbook(file string) (runbookView, error) {
	text, err := fs.ReadFile(s.Runbooks, file)
	heading, _, _ := strings.Cut(string(text), "\n")

	return runbookView{strings.TrimSuffix(file, runbookSuffix), strings.TrimLeft(heading, "# "), string(text)}, err
}

const runbookSuffix = ".md"

func (s *server) runbooks(w http.ResponseWriter, _ *http.Request) error {
	files, err := fs.Glob(s.Runbooks, "*"+runbookSuffix)
	if err != nil {
		return err
	}
	views := make([]runbookView, len(files))
	for i, file := range files {
		if views[i], err = s.readRunbook(file); err != nil {
			return err
		}
		views[i].Markdown = ""
	}

	return answerJSON(w, list{Success: true, Data: views, Count: len(views)})
}

func (s *server) runbook(w http.ResponseWriter, r *http.Request) error {
	name := mux.Vars(r)["name"]
	view, err := s.readRunbook(name + runbookSuffix)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return &Error{http.StatusNotFound, CodeNotFound, fmt.Sprintf("there is no runbook %q; %s/runbooks lists them", short(name), Base)}
	}
	if err != nil {
		return err
	}

	return answerJSON(w, single{Success: true, Data: view})
}
