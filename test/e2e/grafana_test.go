package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/promql/parser"
)

// board is a Grafana dashboard, as far as it matters here.
type board struct {
	file       string
	UID        string  `json:"uid"`
	Title      string  `json:"title"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name  string `json:"name"`
			Type  string `json:"type"`
			Query any    `json:"query"`
		} `json:"list"`
	} `json:"templating"`
	Links []struct {
		Tags []string `json:"tags"`
	} `json:"links"`
}

type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []struct {
		Expr       string `json:"expr"`
		Legend     string `json:"legendFormat"`
		Datasource struct {
			UID string `json:"uid"`
		} `json:"datasource"`
	} `json:"targets"`
}

func grafanaBoards(t *testing.T) []board {
	t.Helper()

	files, err := filepath.Glob("../../dashboards/grafana/dashboards/*.json")
	if err != nil || len(files) != 5 {
		t.Fatalf("there are %d dashboards (%v)", len(files), err)
	}
	boards := make([]board, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &boards[i]); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		boards[i].file = filepath.Base(file)
	}

	return boards
}

func TestGrafanaPanelsSayWhatTheyShow(t *testing.T) {
	uids := map[string]bool{}
	for _, b := range grafanaBoards(t) {
		if b.UID == "" || uids[b.UID] || len(b.Links) == 0 || len(b.Templating.List) == 0 || b.Templating.List[0].Type != "datasource" {
			t.Errorf("%s: uid %q, %d links, variables %v", b.file, b.UID, len(b.Links), b.Templating.List)
		}
		uids[b.UID] = true
		ids, titles := map[int]bool{}, map[string]bool{}
		for _, p := range b.Panels {
			if p.ID == 0 || ids[p.ID] {
				t.Errorf("%s: panel %q has id %d, which is another's", b.file, p.Title, p.ID)
			}
			ids[p.ID] = true
			if p.Type == "row" {
				continue
			}
			if titles[p.Type+p.Title] || utf8.RuneCountInString(p.Description) < 10 || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %q lacks a title of its own, a unit, a description or a query", b.file, p.Title)
			}
			titles[p.Type+p.Title] = true
			for _, target := range p.Targets {
				if target.Datasource.UID != "${datasource}" || target.Legend == "" {
					t.Errorf("%s: query %q asks data source %q and has legend %q", b.file, target.Expr, target.Datasource.UID, target.Legend)
				}
			}
		}
	}
}

// asked is a query as Grafana sends it, its variables filled in.
func asked(expr string) string {
	return strings.NewReplacer("$__rate_interval", "30s", "$__range", "5m", "$job", ".*", "$instance", ".*", "$route", ".*").Replace(expr)
}

// published returns the names of what llmwatch publishes and records.
func published(t *testing.T) map[string]bool {
	t.Helper()

	names := map[string]bool{"ALERTS": true}
	for _, source := range []struct {
		file string
		name *regexp.Regexp
	}{
		{"../../docs/metrics.md", regexp.MustCompile("(?m)^\\| `([a-zA-Z0-9_]+)` \\|")},
		{"../../rules/recording.yml", regexp.MustCompile(`(?m)^\s+- record: (\S+)$`)},
	} {
		text, err := os.ReadFile(source.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range source.name.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
	}

	return names
}

func TestGrafanaQueriesNameWhatIsPublished(t *testing.T) {
	names := published(t)
	for _, b := range grafanaBoards(t) {
		for _, p := range b.Panels {
			for _, target := range p.Targets {
				expr, err := parser.NewParser(parser.Options{}).ParseExpr(asked(target.Expr))
				if err != nil {
					t.Errorf("%s: panel %q: %v", b.file, p.Title, err)
					continue
				}
				parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
					if v, ok := node.(*parser.VectorSelector); ok && !names[v.Name] && !names[histogram.ReplaceAllString(v.Name, "")] {
						t.Errorf("%s: panel %q asks for %s, which nothing publishes", b.file, p.Title, v.Name)
					}

					return nil
				})
			}
		}
	}
}

var histogram = regexp.MustCompile(`_(bucket|count|sum)$`)

// TestGrafanaPanelsHaveData lets the simulated platform run until every panel has
// something to show.
func TestGrafanaPanelsHaveData(t *testing.T) {
	t.Parallel()
	_, api := llmwatch(t, "demo", "--rate", "40")
	left := map[string]string{}
	for _, b := range grafanaBoards(t) {
		for _, p := range b.Panels {
			for i, target := range p.Targets {
				left[fmt.Sprintf("%s: %s, query %d", b.file, p.Title, i)] = asked(target.Expr)
			}
		}
	}
	waitFor(t, 2*time.Minute, "every panel to have data", func() error {
		for panel, query := range left {
			if api.hasData(query) {
				delete(left, panel)
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("%d have none: %v", len(left), left)
		}

		return nil
	})
}

// hasData asks the engine; each query must at least be understood.
func (r *rest) hasData(query string) bool {
	r.t.Helper()

	resp, body := r.raw(http.MethodGet, "/prometheus/api/v1/query?query="+url.QueryEscape(query), nil)
	var answer struct {
		Data struct {
			Result []struct {
				Value []any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%s answers %d %s", query, resp.StatusCode, body)
	}
	for _, series := range answer.Data.Result {
		if len(series.Value) == 2 && series.Value[1] != "NaN" {
			return true
		}
	}

	return false
}
