package notify

import (
	"cmp"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"llmwatch/bridge/alert"
)

// Bounds of what a message shows, in bytes unless it says otherwise.
const (
	maxName        = 100
	maxPerson      = 100
	maxSummary     = 300
	maxDescription = 2000
	maxComment     = 500
	maxLabel       = 300
	maxTitleLabels = 100  // The labels in a title.
	maxLabelText   = 1000 // The labels in the list of facts.
	maxLog         = 400
	maxLabels      = 40 // Labels of an alert, and annotations.
	maxLogs        = 10 // Log lines.
	maxListed      = 20 // Alerts of a digest.
)

// ChartURL is how the HTML part refers to the chart that is sent with it, and
// ChartID the identification of that part.
const (
	ChartID  = "chart@llmwatch"
	ChartURL = "cid:" + ChartID
)

// labelInstance is the label that names a host.
const labelInstance = "instance"

// Data is what templates are executed with. All texts are valid UTF-8 without
// control characters, and bounded; all times in words are in UTC.
type Data struct {
	// Kind is why the message is sent: firing, reminder, escalation,
	// acknowledged, resolved, digest, test, or channel_down and channel_up, which
	// are about another channel and no alert.
	Kind string
	// Channel is the name of the channel it is sent to.
	Channel string
	// Firing says that the alerts fire, and that it is not an acknowledgement:
	// somebody is asked to act.
	Firing bool
	// Tag is the severity in capitals, or RESOLVED or TEST; NOT REPORTED, CLOSED or
	// RULE CHANGED of an alert that ended otherwise, ENDED of several that did.
	Tag string
	// Title is what the message is about: "high_cpu_usage on host-1",
	// "12 alerts firing".
	Title string
	// Headline is what happened to it: "firing since 10:25 UTC".
	Headline string
	// Color belongs to the severity, or to the good news: "#c62828".
	Color string

	// Alert is the alert, or the gravest one of a digest. Alerts are all of them,
	// the gravest first, at most 20; Total is how many there are, and More how
	// many of these are not in Alerts.
	Alert  Alert
	Alerts []Alert
	Total  int
	More   int

	// By and Comment are who acknowledged, and what they said.
	By      string
	Comment string

	// Link leads to the alert's page, where it can be acknowledged; empty where
	// no address is configured.
	Link string
	// Command is what acknowledges the alert in a shell, or lists those of a
	// digest.
	Command string
	// Logs are the newest error lines that concern the alert, at most 10.
	Logs []string
	// Chart is the address of the chart for an <img> in the HTML part, empty
	// where there is none.
	Chart template.URL
}

// Alert is an alert as templates see it.
type Alert struct {
	ID       string
	Name     string
	Severity string
	Status   string
	// Color belongs to the severity.
	Color string
	// Facts is what is known about the alert, ready to be listed.
	Facts []Fact
	// Title is the name, the instance where the alert has one, and further labels
	// that tell it apart: "disk_full on host-1 (device=sda)".
	Title string
	// LabelText are the labels that tell it apart, the most telling first, but for
	// the instance: "pod=api-7f9c, cluster=prod-eu". In a digest those that all its
	// alerts have alike are left out.
	LabelText string
	// Instance is the label instance, empty where the alert has none.
	Instance string
	// Summary and Description are the annotations of that name; the rule's own
	// description stands in for the second. The description may have several
	// lines and is empty where it only repeats the summary.
	Summary     string
	Description string
	// Value is the value of the rule's expression, Threshold the annotation
	// threshold; both may be empty.
	Value     string
	Threshold string
	// Since is when the alert began to fire, Condition when the condition last
	// began to hold, Duration how long the alert fired until the message became
	// owed or the alert resolved: "10:25 UTC", "10:20 UTC", "12 minutes".
	Since     string
	Condition string
	Duration  string
	// Pushed is who pushed the alert, empty where a rule gives it; Ended is how it
	// ended where that is not that its condition does not hold any more.
	Pushed string
	Ended  string
	// Runbook is the annotation runbook_url, RunbookURL the same where it is an
	// address on the web that can be linked to.
	Runbook    string
	RunbookURL string
	// GraphURL links to the rule's expression; may be empty.
	GraphURL string
	// Labels and Annotations are the alert's, at most 40 of each.
	Labels      map[string]string
	Annotations map[string]string
	// StartsAt is the time of Condition, FiredAt that of Since; ResolvedAt is
	// zero while the alert fires.
	StartsAt   time.Time
	FiredAt    time.Time
	ResolvedAt time.Time
}

// Fact is one line about an alert: a name, a text, and where it leads to, if
// anywhere.
type Fact struct{ Name, Text, URL string }

// NewData gathers what a message says.
func NewData(n alert.Notification, extra alert.Extra) Data {
	listed := Gravest(n.Alerts, maxListed)
	d := Data{
		Kind:    string(n.Kind),
		Channel: Line(n.Channel, maxName),
		Firing:  n.TellsFiring(),
		Total:   max(n.Total, len(n.Alerts)),
		By:      Line(n.By, maxPerson),
		Comment: Lines(n.Comment, maxComment),
		Link:    webURL(extra.Link),
		Alerts:  make([]Alert, len(listed)),
	}
	d.More = d.Total - len(listed)
	common := alert.CommonLabels(n.Alerts)
	for i, a := range listed {
		d.Alerts[i] = newAlert(a, common, n.OwedAt)
	}
	if len(d.Alerts) > 0 {
		d.Alert = d.Alerts[0]
		d.Command = "llmwatch alerts ack " + d.Alert.ID
	}
	for _, line := range extra.Logs[:min(len(extra.Logs), maxLogs)] {
		d.Logs = append(d.Logs, Line(line, maxLog))
	}
	if len(extra.Chart) > 0 {
		d.Chart = ChartURL
	}
	d.describe(n)

	return d
}

// Gravest returns at most most of the alerts, the gravest first and among equals
// the oldest. It leaves alerts as it is.
func Gravest(alerts []alert.Alert, most int) []*alert.Alert {
	sorted := make([]*alert.Alert, len(alerts))
	for i := range alerts {
		sorted[i] = &alerts[i]
	}
	slices.SortStableFunc(sorted, func(a, b *alert.Alert) int {
		return cmp.Or(cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), a.FiredAt.Compare(b.FiredAt))
	})

	return sorted[:min(len(sorted), most)]
}

func newAlert(a *alert.Alert, common map[string]string, now time.Time) Alert {
	fired, end := a.FiredAt, now
	if fired.IsZero() {
		fired = a.StartsAt
	}
	if !a.ResolvedAt.IsZero() {
		end = a.ResolvedAt
	}
	d := Alert{
		ID:          Line(a.ID, 2*maxName),
		Name:        Line(a.Name, maxName),
		Severity:    Line(string(a.Severity), maxName),
		Color:       color(a.Severity),
		Status:      string(a.Status),
		Instance:    Line(a.Labels[labelInstance], maxName),
		Summary:     Line(a.Annotations["summary"], maxSummary),
		Description: Lines(cmp.Or(a.Annotations["description"], a.Description), maxDescription),
		Threshold:   Line(a.Annotations["threshold"], maxName),
		Since:       clockTime(fired, now),
		Duration:    Duration(end.Sub(fired)),
		Runbook:     Line(a.Annotations["runbook_url"], maxLabel),
		RunbookURL:  webURL(a.Annotations["runbook_url"]),
		GraphURL:    webURL(a.GeneratorURL),
		Labels:      bounded(a.Labels),
		Annotations: bounded(a.Annotations),
		StartsAt:    a.StartsAt.UTC(),
		FiredAt:     fired.UTC(),
		ResolvedAt:  a.ResolvedAt.UTC(),
	}
	if a.Origin.Kind == alert.FromPush {
		d.Pushed = Line(a.Origin.String(), maxPerson)
	}
	if _, other := endings[a.Ending.Kind]; other {
		d.Ended = Line(a.Ending.Text, maxSummary)
	}
	d.Condition = d.Since
	if !a.StartsAt.IsZero() {
		d.Condition = clockTime(a.StartsAt, now)
	}
	d.Name = cmp.Or(d.Name, "unnamed")
	d.Title = d.Name
	d.describeLabels(a, common)
	if d.Description == d.Summary {
		d.Description = ""
	}
	if a.Value != nil {
		d.Value = number(*a.Value)
	}
	d.Facts = d.facts()

	return d
}

// describeLabels says what tells the alert apart. The instance has a place of its own.
func (a *Alert) describeLabels(of *alert.Alert, common map[string]string) {
	skip := map[string]string{}
	maps.Copy(skip, common)
	if a.Instance != "" {
		skip[labelInstance] = of.Labels[labelInstance]
		a.Title += " on " + a.Instance
	}
	a.LabelText = alert.LabelText(of.Labels, skip, maxLabelText)
	if short := alert.LabelText(of.Labels, skip, maxTitleLabels); short != "" {
		a.Title += " (" + short + ")"
	}
}

func (a *Alert) facts() []Fact {
	value, span := a.Value, "since "+a.Since+", for "+a.Duration
	if value != "" && a.Threshold != "" {
		value += " (threshold " + a.Threshold + ")"
	}
	valueName := "Value"
	if !a.ResolvedAt.IsZero() {
		valueName, span = "Last value", "from "+a.Since+", for "+a.Duration
	}
	if a.Condition != a.Since {
		span += " (condition since " + a.Condition + ")"
	}
	facts := []Fact{
		{Name: "Severity", Text: a.Severity},
		{Name: valueName, Text: value},
		{Name: "Host", Text: a.Instance},
		{Name: "Labels", Text: a.LabelText},
		{Name: "Firing", Text: span},
		{Name: "Ended", Text: a.Ended},
		{Name: "Origin", Text: a.Pushed},
		{Name: "Runbook", Text: a.Runbook, URL: a.RunbookURL},
	}
	if a.GraphURL != "" {
		facts = append(facts, Fact{Name: "Graph", Text: "Show the metric", URL: a.GraphURL})
	}

	return slices.DeleteFunc(facts, func(f Fact) bool { return f.Text == "" })
}

// bounded cleans the first labels in the order of their names.
func bounded(set map[string]string) map[string]string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	cleaned := make(map[string]string, min(len(names), maxLabels))
	for _, name := range names[:min(len(names), maxLabels)] {
		cleaned[Line(name, maxName)] = Line(set[name], maxLabel)
	}

	return cleaned
}

// describe says in words what happened.
func (d *Data) describe(n alert.Notification) {
	a := &d.Alert
	severity := alert.Severity(a.Severity)
	d.Tag, d.Color, d.Title = strings.ToUpper(a.Severity), color(severity), a.Title
	switch n.Kind {
	case alert.KindReminder:
		d.Headline = "still firing after " + a.Duration
	case alert.KindEscalation:
		d.Headline = "nobody has acknowledged it for " + a.Duration
	case alert.KindAcknowledged:
		d.Headline, d.Color = "acknowledged", colorNeutral
		if d.By != "" {
			d.Headline += " by " + d.By
		}
	case alert.KindResolved:
		d.describeEnd(n.Alerts)
		if n.Progress.Untold && len(n.Alerts) > 0 && d.Tag == "RESOLVED" {
			d.Headline = "fired at " + a.Since + ", resolved at " + clockTime(n.Alerts[0].ResolvedAt, n.OwedAt)
		}
	case alert.KindDigest:
		d.Command = "llmwatch alerts list"
		d.Title, d.Headline = count(int64(d.Total), "alert")+" firing", bySeverity(n.Alerts, d.Total)
		if !d.Firing {
			d.describeEnd(n.Alerts)
		}
	case alert.KindChannelDown:
		d.Tag, d.Title, d.Headline, d.Color = "CHANNEL DOWN", "channel "+Line(n.About, maxName), "cannot deliver since "+clockTime(n.Since, n.OwedAt), colorCritical
	case alert.KindChannelUp:
		d.Tag, d.Title, d.Color = "CHANNEL UP", "channel "+Line(n.About, maxName), colorResolved
		d.Headline = "delivers again, after " + Duration(n.OwedAt.Sub(n.Since)) + " without"
	case alert.KindTest:
		d.Tag, d.Title, d.Headline, d.Color = "TEST", "llmwatch", "this channel works", colorNeutral
	case alert.KindFiring:
		d.Headline = "firing since " + a.Since
		if len(n.Alerts) > 0 && n.Alerts[0].Flaps > 0 {
			d.Headline = "fires again, " + ordinal(n.Alerts[0].Flaps+1) + " time in " + a.Duration
		}
	default:
		d.Headline = Line(string(n.Kind), maxName)
	}
	if n.Progress.Untold && len(n.Alerts) > 0 {
		d.Headline += " (this could not be told before)"
	}
	d.Tag = cmp.Or(d.Tag, "ALERT")
}

// bySeverity counts the alerts of a digest, of which total may be more than are
// at hand.
func bySeverity(alerts []alert.Alert, total int) string {
	var counts [4]int
	for i := range alerts {
		counts[alerts[i].Severity.Rank()]++
	}
	var parts []string
	for i, s := range alert.Severities() {
		if counts[i] > 0 {
			parts = append(parts, strconv.Itoa(counts[i])+" "+string(s))
		}
	}
	if len(alerts) < total {
		parts = append(parts, strconv.Itoa(total-len(alerts))+" more")
	}

	return strings.Join(parts, ", ")
}
