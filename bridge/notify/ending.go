package notify

import (
	"cmp"

	"llmwatch/bridge/alert"
)

// endings are what messages say of alerts that ended otherwise than that their
// condition does not hold any more: nobody may read that as good news.
var endings = map[alert.EndingKind]struct{ tag, title string }{
	alert.EndedStale:  {"NOT REPORTED", "not reported any more"},
	alert.EndedClosed: {"CLOSED", "closed"},
	alert.EndedRule:   {"RULE CHANGED", "ended by a change of their rules"},
}

// describeEnd says of alerts that do not fire any more how they ended.
func (d *Data) describeEnd(alerts []alert.Alert) {
	d.Tag, d.Color = "RESOLVED", colorResolved
	how := ""
	for i := range alerts {
		e, other := endings[alerts[i].Ending.Kind]
		if !other {
			e.tag = "RESOLVED"
		}
		if i > 0 && e.tag != d.Tag {
			d.Tag, d.Color, how = "ENDED", colorNeutral, "ended"

			break
		}
		if d.Tag, how = e.tag, e.title; other {
			d.Color = colorNeutral
		}
	}
	if d.Kind == string(alert.KindDigest) {
		d.Title = count(int64(d.Total), "alert") + " " + cmp.Or(how, "resolved")

		return
	}
	d.Headline = "resolved after " + d.Alert.Duration
	if how != "" {
		d.Headline = d.Alert.Ended
	}
}
