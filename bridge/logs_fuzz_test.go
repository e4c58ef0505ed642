package bridge

import (
	"net/url"
	"testing"

	"llmwatch/bridge/logstore/entry"
)

// FuzzLogFilter looks for queries that are read although they are beyond the
// bounds, or make reading or matching panic.
func FuzzLogFilter(f *testing.F) {
	for _, seed := range []string{
		"level=ERROR,INFO&logger=api.*&start=-1h&end=2024-01-15T10:30:45Z", "pattern=a(b%2B&text=x+y", "field.a.b=1&field.a.b=2&request_id=r", "pattern=%28x%7B1000%7D%29%7B2%7D",
	} {
		f.Add(seed)
	}
	e := entry.Entry{Time: noon.UnixNano(), Level: entry.Error, Logger: "api.x", Message: "a b", Fields: []entry.Field{{Name: "a.b", Value: "1"}}}
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		filter, err := logFilter(q, noon)
		if err != nil {
			return
		}
		if filter.From < 0 || filter.Until < 0 || len(filter.Words) > maxWords || len(filter.Fields) > maxFieldMatches || len(filter.Loggers) > maxValues {
			t.Errorf("%q is read as %+v", query, filter)
		}
		filter.Match(&e)
	})
}
