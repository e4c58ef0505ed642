package notify

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"llmwatch/bridge/alert"
)

//go:embed templates/*.tmpl
var sources embed.FS

// TemplateConfig holds own templates in the syntax of Go's text/template, HTML
// in that of html/template. What is empty is as it comes. They are executed with
// Data, for Slack with all texts already escaped.
type TemplateConfig struct {
	// Subject is the subject of mails and the first line in Slack.
	Subject string `yaml:"subject"`
	// Text and HTML are the two parts of a mail.
	Text string `yaml:"text"`
	HTML string `yaml:"html"`
	// Slack is the message below the first line, in Slack's mrkdwn.
	Slack string `yaml:"slack"`
}

// Bounds of what templates make, in bytes.
const (
	maxSubject = 200
	maxBody    = 256 << 10
)

// Templates are ready to be executed. They are safe for concurrent use.
type Templates struct{ subject, text, html, slack source }

// executor is a template of either package.
type executor interface {
	Execute(w io.Writer, data any) error
}

// source is an own template, nil where there is none, and the one that stands in
// for it.
type source struct {
	name     string
	own      executor
	broken   error // Why the own template is never used.
	standard executor
}

// Check says which templates are broken, and why.
func (c TemplateConfig) Check() error {
	t, err := NewTemplates(c)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range []*source{&t.subject, &t.text, &t.html, &t.slack} {
		if s.broken != nil {
			errs = append(errs, fmt.Errorf("templates.%s must be a valid template: %w", s.name, s.broken))
		}
	}

	return errors.Join(errs...)
}

// ReadTemplates reads own templates from a folder: subject.tmpl, text.tmpl,
// html.tmpl and slack.tmpl. Those that are missing are as they come.
func ReadTemplates(dir string) (TemplateConfig, error) {
	var c TemplateConfig
	for name, text := range map[string]*string{"subject": &c.Subject, "text": &c.Text, "html": &c.HTML, "slack": &c.Slack} {
		content, err := os.ReadFile(filepath.Join(dir, name+".tmpl"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return c, fmt.Errorf("read templates: %w", err)
		}
		*text = string(content)
	}

	return c, nil
}

// NewTemplates parses the templates and tries each with every kind of message. A
// broken one costs no message: the standard one stands in for it, and every
// message reports that, as it does where a template fails only later. Check says
// it before.
func NewTemplates(c TemplateConfig) (*Templates, error) {
	var t Templates
	for _, part := range []struct {
		to        *source
		name, own string
		parse     func(name, text string) (executor, error)
	}{
		{&t.subject, "subject", c.Subject, parseText},
		{&t.text, "text", c.Text, parseText},
		{&t.html, "html", c.HTML, parseHTML},
		{&t.slack, "slack", c.Slack, parseText},
	} {
		standard, err := sources.ReadFile("templates/" + part.name + ".tmpl")
		if err != nil {
			return nil, fmt.Errorf("read built-in template: %w", err)
		}
		part.to.name = part.name
		if part.to.standard, err = part.parse(part.name, string(standard)); err != nil {
			return nil, fmt.Errorf("parse built-in template: %w", err)
		}
		if part.own == "" {
			continue
		}
		if part.to.own, err = part.parse(part.name, part.own); err == nil {
			err = try(part.to.own)
		}
		part.to.broken = err
	}

	return &t, nil
}

func parseText(name, text string) (executor, error) {
	return template.New(name).Parse(text)
}

func parseHTML(name, text string) (executor, error) {
	return htmltemplate.New(name).Parse(text)
}

// try executes a template with a sample of every kind, because a field that
// does not exist shows only then.
func try(t executor) error {
	value, now := 92.5, time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC)
	sample := alert.Alert{
		ID: "sample_20240115", Name: "sample", Severity: alert.High, Status: alert.Active, Value: &value,
		Labels:      map[string]string{labelInstance: "host-1"},
		Annotations: map[string]string{"summary": "A sample", "threshold": "80"},
		StartsAt:    now.Add(-10 * time.Minute), FiredAt: now.Add(-5 * time.Minute),
	}
	for _, kind := range []alert.Kind{
		alert.KindFiring, alert.KindReminder, alert.KindEscalation, alert.KindAcknowledged,
		alert.KindResolved, alert.KindDigest, alert.KindTest,
	} {
		n := alert.Notification{Kind: kind, Channel: "sample", Alerts: []alert.Alert{sample}, Total: 1, By: "somebody", OwedAt: now}
		if err := t.Execute(&limited{left: maxBody}, NewData(n, alert.Extra{Logs: []string{"a line"}})); err != nil {
			return fmt.Errorf("execute for %s: %w", kind, err)
		}
	}

	return nil
}

// Subject is one line of at most 200 bytes. Like Text, HTML and Slack it always
// returns something to send: where an own template fails it is the standard
// one's, beside the error.
func (t *Templates) Subject(d Data) (string, error) {
	s, err := t.subject.execute(d)

	return Line(s, maxSubject), err
}

// Text is the plain part of a mail.
func (t *Templates) Text(d Data) (string, error) { return t.text.execute(d) }

// HTML is the HTML part of a mail. What comes from Data is escaped.
func (t *Templates) HTML(d Data) (string, error) { return t.html.execute(d) }

// Slack is mrkdwn. Nothing is escaped here: see Data.Map.
func (t *Templates) Slack(d Data) (string, error) { return t.slack.execute(d) }

func (s *source) execute(d Data) (string, error) {
	var failed error
	switch {
	case s.broken != nil:
		failed = fmt.Errorf("template %s is broken, the standard one was used: %w", s.name, s.broken)
	case s.own != nil:
		out := limited{left: maxBody}
		err := s.own.Execute(&out, d)
		if err == nil {
			return out.text.String(), nil
		}
		failed = fmt.Errorf("template %s failed, the standard one was used: %w", s.name, err)
	}
	out := limited{left: maxBody}
	if err := s.standard.Execute(&out, d); err != nil {
		failed = errors.Join(failed, fmt.Errorf("execute built-in template: %w", err))
	}

	return out.text.String(), failed
}

// limited is a buffer that refuses to grow beyond its limit.
type limited struct {
	text strings.Builder
	left int
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, fmt.Errorf("more than %d bytes", maxBody)
	}

	return l.text.Write(p)
}

// Map returns a copy of d in which text has been applied to every text that
// came from outside and link to every address.
func (d Data) Map(text, link func(string) string) Data {
	d.Channel, d.Tag, d.Title, d.Headline = text(d.Channel), text(d.Tag), text(d.Title), text(d.Headline)
	d.By, d.Comment, d.Command, d.Link = text(d.By), text(d.Comment), text(d.Command), link(d.Link)
	d.Alert = d.Alert.mapped(text, link)
	d.Alerts = apply(d.Alerts, func(a Alert) Alert { return a.mapped(text, link) })
	d.Logs = apply(d.Logs, text)

	return d
}

func (a Alert) mapped(text, link func(string) string) Alert {
	for _, s := range []*string{
		&a.ID, &a.Name, &a.Severity, &a.Title, &a.LabelText, &a.Instance, &a.Summary, &a.Description,
		&a.Value, &a.Threshold, &a.Runbook,
	} {
		*s = text(*s)
	}
	a.RunbookURL, a.GraphURL = link(a.RunbookURL), link(a.GraphURL)
	a.Labels, a.Annotations = mappedSet(a.Labels, text), mappedSet(a.Annotations, text)
	a.Facts = apply(a.Facts, func(f Fact) Fact { return Fact{Name: f.Name, Text: text(f.Text), URL: link(f.URL)} })

	return a
}

func mappedSet(set map[string]string, text func(string) string) map[string]string {
	mapped := make(map[string]string, len(set))
	for name, value := range set {
		mapped[text(name)] = text(value)
	}

	return mapped
}

func apply[T any](list []T, f func(T) T) []T {
	applied := make([]T, len(list))
	for i, element := range list {
		applied[i] = f(element)
	}

	return applied
}
