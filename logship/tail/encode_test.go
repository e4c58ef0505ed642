package tail

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"llmwatch/logship"
)

var noon = time.Date(2026, 1, 15, 12, 0, 0, 123e6, time.UTC)

func encoded(p piece, path string) string {
	e := &encoder{redactor: logship.NewRedactor(), zone: time.FixedZone("here", 3600)}

	return string(e.append(nil, p, newLabel(path), noon))
}

func TestEncoder(t *testing.T) {
	const prefix = `{"timestamp":"2026-01-15T12:00:00.123Z","level":"INFO","logger":"app.log","message":`
	const suffix = `,"file":"/var/log/app.log"}` + "\n"
	for name, c := range map[string]struct{ text, want string }{
		"documented JSON goes as it is": {`{"message": "hi",  "n":1e2}`, `{"message": "hi",  "n":1e2}` + "\n"},
		"with its secrets replaced":     {`{"message":"hi","password":"x"}`, `{"message":"hi","password":"[REDACTED]"}` + "\n"},
		"JSON without a message":        {`{"msg":"hi"}`, prefix + `"{\"msg\":\"hi\"}"` + suffix},
		"JSON with a number as message": {`{"message":1}`, prefix + `"{\"message\":1}"` + suffix},
		"JSON cut off":                  {`{"message":"hi`, prefix + `"{\"message\":\"hi"` + suffix},
		"text":                          {"hello \"you\"\n\tthere", prefix + `"hello \"you\"\n\tthere"` + suffix},
		"text with a secret":            {"login password=hunter2", prefix + `"login password=[REDACTED]"` + suffix},
		"invalid UTF-8":                 {"a\xffb", prefix + `"a` + "\ufffd" + `b"` + suffix},
		"a time and a level": {
			"2024-01-15 10:30:45,123 - app - ERROR - failed",
			`{"timestamp":"2024-01-15T09:30:45.123Z","level":"ERROR","logger":"app.log","message":"2024-01-15 10:30:45,123 - app - ERROR - failed"` + suffix,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := encoded(piece{text: []byte(c.text)}, "/var/log/app.log")
			if got != c.want {
				t.Errorf("got  %swant %s", got, c.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("it is not JSON")
			}
		})
	}
}

func TestEncoderMarksWhatWasCut(t *testing.T) {
	if got := encoded(piece{text: []byte(`{"message":"x"}`), cut: true}, "a"); !strings.HasSuffix(got, `,"logship_truncated":true}`+"\n") {
		t.Errorf("got %s", got)
	}
}

func TestLoggerIsTheNameWithoutItsRotation(t *testing.T) {
	for path, want := range map[string]string{
		"/x/app.log": "app.log", "/x/app.log.12": "app.log", "/x/app.log-20240115": "app.log", "/x/app.log-20240115-1030": "app.log",
		"/x/12": "12", "/x/.1": ".1", "/x/v2": "v2",
	} {
		if got := string(newLabel(path).logger); got != `"`+want+`"` {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func TestLevelIsGuessedOnlyWhereTheLineStatesIt(t *testing.T) {
	for text, want := range map[string]string{
		"INFO:     127.0.0.1 - GET /":                        "INFO",
		"2024-01-15 10:30:45.123 WARN  1 --- [main] c.e.App": "WARNING",
		"2024-01-15 10:30:45,123 - app.server - ERROR - no":  "ERROR",
		"2024/01/15 10:30:45 [error] 12#0: *1 open() failed": "ERROR",
		"Jan 15 10:30:45 host app[1]: CRITICAL disk":         "CRITICAL",
		"time=10:30 level=warn msg=\"x\"":                    "WARNING",
		`ts=1 severity="FATAL" x`:                            "CRITICAL",
		"<DEBUG> x":                                          "DEBUG",
		"10:30:45 | NOTICE | x":                              "INFO",
		"ERROR":                                              "ERROR",
		"An ERROR occurred":                                  "",
		"no INFO page found":                                 "",
		"the level=high mark":                                "",
		"2024-01-15 10:30:45 plain":                          "",
		"warning: it is not said in capitals":                "",
		"":                                                   "",
		"   ":                                                "",
		"2024-01-15 x\nERROR in the second line":             "",
		strings.Repeat("x ", 100) + " 1 ERROR far behind the head": "",
	} {
		if got, stated := levelOf([]byte(text)); got != want || stated != (want != "") {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestTimeIsTheOneTheLineBeginsWith(t *testing.T) {
	zone := time.FixedZone("here", 3600)
	for text, want := range map[string]string{
		"2024-01-15T10:30:45.123Z x":         "2024-01-15T10:30:45.123Z",
		"2024-01-15T10:30:45+02:00 x":        "2024-01-15T08:30:45.000Z",
		"2024-01-15 10:30:45.123456 -0130 x": "2024-01-15T12:00:45.123Z",
		"2024-01-15 10:30:45,123 x":          "2024-01-15T09:30:45.123Z",
		"[2024/01/15 10:30:45] x":            "2024-01-15T09:30:45.000Z",
		"2024-13-15 10:30:45 x":              "",
		"at 2024-01-15 10:30:45":             "",
		"2024-01-15":                         "",
		"":                                   "",
	} {
		at, stated := timeOf([]byte(text), zone)
		if got := at.UTC().Format("2006-01-02T15:04:05.000Z"); stated != (want != "") || (stated && got != want) {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add([]byte(`{"message":"x","password":"y"}`))
	f.Add([]byte("2024-01-15 10:30:45,123 ERROR \x00\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) == 0 || text[0] == 0 {
			return
		}
		e := &encoder{redactor: logship.NewRedactor(), zone: time.UTC}
		got := e.append(nil, piece{text: text}, newLabel("x"), noon)
		if !json.Valid(got) || got[len(got)-1] != '\n' {
			t.Errorf("%q became %q", text, got)
		}
		if e.documented(piece{text: text}) {
			return
		}
		var entry struct{ Timestamp, Level, Message string }
		if err := json.Unmarshal(got, &entry); err != nil || entry.Timestamp == "" || entry.Level == "" {
			t.Errorf("%q became %q: %v", text, got, err)
		}
	})
}
