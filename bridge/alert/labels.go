package alert

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a label in LabelText, in bytes.
const (
	maxLabelName  = 60
	maxLabelValue = 80
	// maxLabelRead bounds what is looked at of a value.
	maxLabelRead = 16 << 10
)

// labelOrder has the labels that most often tell alerts apart, before all others, and
// labelsLast those that seldom do.
var (
	labelOrder = []string{
		"instance", "host", "node", "namespace", "pod", "container", "model", "queue", "device", "mountpoint", "channel", "rule",
	}
	labelsLast = []string{"job", "prometheus", "replica", "prometheus_replica"}
)

// LabelText is what tells an alert apart from others of its name, as short text of at
// most most bytes: `pod=api-7f9c, cluster=prod-eu`. It leaves out the name, the
// severity, labels of internal names and those that skip has with the same value.
// Labels that do not fit are counted: `pod=api-7f9c, +2`. It is the same for the same
// labels, and plain text: whoever shows it escapes it.
func LabelText(labels, skip map[string]string, most int) string {
	names := slices.DeleteFunc(slices.Collect(maps.Keys(labels)), func(name string) bool {
		value, skipped := skip[name]

		return name == nameLabel || name == severityLabel || strings.HasPrefix(name, "__") ||
			labels[name] == "" || skipped && value == labels[name]
	})
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(labelRank(a), labelRank(b)), cmp.Compare(a, b))
	})
	var text strings.Builder
	for i, name := range names {
		pair := labelPair(name, labels[name])
		if i > 0 {
			pair = ", " + pair
		}
		rest := len(names) - i - 1
		room := most - text.Len()
		if rest > 0 {
			room -= len(", +") + len(strconv.Itoa(rest))
		}
		if len(pair) > room {
			if i == 0 {
				return Truncate(pair, most)
			}
			text.WriteString(", +" + strconv.Itoa(rest+1))

			break
		}
		text.WriteString(pair)
	}

	return text.String()
}

// labelRank is the place of a label in a text.
func labelRank(name string) int {
	if i := slices.Index(labelOrder, name); i >= 0 {
		return i
	}
	if i := slices.Index(labelsLast, name); i >= 0 {
		return len(labelOrder) + 1 + i
	}

	return len(labelOrder)
}

func labelPair(name, value string) string {
	return PlainText(name, maxLabelName) + "=" + quotedValue(shortened(PlainText(value, maxLabelRead), maxLabelValue))
}

// quotedValue quotes a value that could be read as more than one.
func quotedValue(value string) string {
	if !strings.ContainsAny(value, ` ,="`) {
		return value
	}

	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

// shortened cuts the middle out of a value: what tells names apart is often at their
// end.
func shortened(value string, most int) string {
	if len(value) <= most {
		return value
	}
	head := Truncate(value, most/2)
	from := len(value) - (most - len(head))
	for from < len(value) && !utf8.RuneStart(value[from]) {
		from++
	}

	return head + strings.TrimLeftFunc(value[from:], unicode.IsSpace)
}

// CommonLabels returns the labels that several alerts have alike, and so tell none of
// them apart; none for fewer than two alerts.
func CommonLabels(alerts []Alert) map[string]string {
	if len(alerts) < 2 {
		return nil
	}
	common := maps.Clone(alerts[0].Labels)
	for i := range alerts[1:] {
		labels := alerts[1+i].Labels
		maps.DeleteFunc(common, func(name, value string) bool { return labels[name] != value })
	}

	return common
}
