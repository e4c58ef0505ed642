package tail

import (
	"bytes"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// How far into a line its time and level are looked for.
const (
	maxHeadBytes = 160
	maxHeadWords = 8
)

// levels are the words for levels, and the documented one each means.
var levels = map[string]string{
	"TRACE": "DEBUG", "DEBUG": "DEBUG", "INFO": "INFO", "NOTICE": "INFO", "WARN": "WARNING", "WARNING": "WARNING",
	"ERROR": "ERROR", "CRITICAL": "CRITICAL", "CRIT": "CRITICAL", "FATAL": "CRITICAL",
}

// assignedLevel is a level as logfmt has it.
var assignedLevel = regexp.MustCompile(`(?:^|[ \t])(?:level|lvl|severity)="?([A-Za-z]+)`)

// levelOf returns the level that a line plainly states: as level=error, in brackets,
// or as a word in capitals that stands first, after a time or beside a separator.
// A word within a sentence is none.
func levelOf(text []byte) (level string, stated bool) {
	head := text[:min(len(text), maxHeadBytes)]
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		head = head[:i]
	}
	if m := assignedLevel.FindSubmatch(head); m != nil {
		if level, stated = levels[strings.ToUpper(string(m[1]))]; stated {
			return level, true
		}
	}
	words := strings.Fields(string(head))
	for i, word := range words[:min(len(words), maxHeadWords)] {
		bare := strings.Trim(word, "[]<>():|-,")
		bracketed := len(word) > len(bare) && strings.IndexByte("[<(", word[0]) >= 0
		if bracketed {
			bare = strings.ToUpper(bare)
		}
		if level, stated = levels[bare]; !stated {
			continue
		}
		before := i == 0 || strings.ContainsFunc(words[i-1], unicode.IsDigit) || isSeparated(words[i-1])
		after := i+1 < len(words) && strings.Trim(words[i+1], "-|:") == ""
		if bracketed || before || after || isSeparated(word) {
			return level, true
		}
	}

	return "", false
}

// isSeparated tells words that a separator ends, or that are one.
func isSeparated(word string) bool {
	return strings.IndexByte(":|-]", word[len(word)-1]) >= 0
}

// leadingTime is a time as most loggers write it in front.
var leadingTime = regexp.MustCompile(`^[\[(]?(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|[+-]\d\d:?\d\d)\b)?`)

// timeOf returns the time that a line begins with. One without a zone is of the
// machine's zone, since its programs wrote it.
func timeOf(text []byte, zone *time.Location) (t time.Time, stated bool) {
	if len(text) == 0 || (text[0] != '[' && text[0] != '(' && (text[0] < '0' || text[0] > '9')) {
		return time.Time{}, false
	}
	m := leadingTime.FindSubmatch(text[:min(len(text), maxHeadBytes)])
	if m == nil {
		return time.Time{}, false
	}
	value := string(m[1]) + "-" + string(m[2]) + "-" + string(m[3]) + "T" + string(m[4])
	if len(m[5]) > 0 {
		value += "." + string(m[5])
	}
	layout := "2006-01-02T15:04:05"
	if len(m[6]) > 0 {
		layout += "Z0700"
		value += strings.Replace(string(m[6]), ":", "", 1)
	}
	t, err := time.ParseInLocation(layout, value, zone)

	return t, err == nil
}
