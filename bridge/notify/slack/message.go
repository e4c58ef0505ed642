package slack

import (
	"strconv"
	"strings"

	"llmwatch/bridge/notify"
)

// Slack's bounds, https://docs.slack.dev/reference/block-kit/blocks.
const (
	maxText   = 3000 // Characters of a section's text.
	maxField  = 2000 // Characters of a section's field.
	maxFields = 10
	maxTexts  = 6 // Sections of running text; with all else far below 50 blocks.
)

// message is the body of a POST to an incoming webhook.
type message struct {
	// Text is shown where blocks cannot be, as in a desktop notification.
	Text        string       `json:"text"`
	Blocks      []block      `json:"blocks,omitempty"`
	Attachments []attachment `json:"attachments,omitempty"`
	UnfurlLinks bool         `json:"unfurl_links"`
	UnfurlMedia bool         `json:"unfurl_media"`
}

// attachment is what gives blocks a colour.
type attachment struct {
	Color  string  `json:"color"`
	Blocks []block `json:"blocks"`
}

// block is a section, or a context where it has elements.
type block struct {
	Type     string `json:"type"`
	Text     *text  `json:"text,omitempty"`
	Fields   []text `json:"fields,omitempty"`
	Elements []text `json:"elements,omitempty"`
}

// text is mrkdwn. Verbatim keeps Slack from making links of names and addresses.
type text struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Verbatim bool   `json:"verbatim"`
}

func mrkdwn(s string, most int) text {
	return text{Type: "mrkdwn", Text: cut(s, most), Verbatim: true}
}

func section(s string) block {
	t := mrkdwn(s, maxText)

	return block{Type: "section", Text: &t}
}

// compose makes the message. It returns one also where an own template failed.
func compose(t *notify.Templates, d notify.Data) (message, []error) {
	escaped := d.Map(escape, escapeURL)
	subject, subjectErr := t.Subject(d)
	body, bodyErr := t.Slack(escaped)

	title := "*" + link(escaped.Link, escape(subject), maxText-2) + "*"
	m := message{Text: escape(subject), Blocks: []block{section(title)}}
	blocks := sections(body)
	if d.Kind != "digest" && d.Kind != "test" {
		if fields := fields(escaped.Alert.Facts); len(fields) > 0 {
			blocks = append(blocks, block{Type: "section", Fields: fields})
		}
	}
	if len(d.Logs) > 0 {
		blocks = append(blocks, section("Last error lines"), code(d.Logs))
	}
	if how := acknowledge(&escaped); how != "" {
		blocks = append(blocks, block{Type: "context", Elements: []text{mrkdwn(how, maxText)}})
	}
	if len(blocks) > 0 {
		m.Attachments = []attachment{{Color: d.Color, Blocks: blocks}}
	}

	return m, []error{subjectErr, bodyErr}
}

// sections breaks running text between lines, and says how many of them did not
// fit.
func sections(body string) []block {
	var blocks []block
	var part strings.Builder
	flush := func() {
		if s := strings.TrimSpace(part.String()); s != "" {
			blocks = append(blocks, section(s))
		}
		part.Reset()
	}
	lines := strings.Split(strings.TrimSpace(body), "\n")
	for i, line := range lines {
		line = cut(line, maxText-1)
		if part.Len()+len(line)+1 > maxText {
			flush()
			if len(blocks) == maxTexts {
				return append(blocks, section("… and "+strconv.Itoa(len(lines)-i)+" more lines"))
			}
		}
		part.WriteString(line + "\n")
	}
	flush()

	return blocks
}

// link is a link of at most most bytes, or its text alone: one that is cut would
// no longer be a link.
func link(url, text string, most int) string {
	whole := "<" + url + "|" + text + ">"
	if url == "" || len(whole) > most {
		return text
	}

	return whole
}

func fields(facts []notify.Fact) []text {
	var fields []text
	for _, f := range facts[:min(len(facts), maxFields)] {
		name := "*" + f.Name + "*\n"
		fields = append(fields, mrkdwn(name+link(f.URL, f.Text, maxField-len(name)), maxField))
	}

	return fields
}

// code shows as many lines as fit.
func code(lines []string) block {
	const fence = "```"
	most := maxText - 2*len(fence) - len("\n… and 99 more")
	var b strings.Builder
	for i, line := range lines {
		line = escapeCode(line)
		if b.Len()+len(line)+1 > most {
			b.WriteString("… and " + strconv.Itoa(len(lines)-i) + " more\n")
			break
		}
		b.WriteString(line + "\n")
	}

	return section(fence + b.String() + fence)
}

// acknowledge says how to acknowledge what fires, and else where to look.
func acknowledge(d *notify.Data) string {
	switch {
	case d.Firing && d.Link != "":
		return link(d.Link, "Acknowledge", maxText)
	case d.Firing:
		return "Acknowledge: " + d.Command
	case d.Link != "":
		return link(d.Link, "Details", maxText)
	default:
		return ""
	}
}
