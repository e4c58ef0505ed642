package alert

import "fmt"

// PushLimits bound what one principal may push. 0 is no bound.
type PushLimits struct {
	// Alerts is how many of its alerts may be open, or ended within their cooldown.
	Alerts int
	// Bytes is how long their labels and annotations may be together.
	Bytes int64
}

// The limits by the names that they have in the configuration.
const (
	limitAlerts = "alerts_per_token"
	limitBytes  = "alert_bytes_per_token"
)

// TooManyError says that some alerts of a push were not taken, because they were
// new, or longer than before, and there is no room for them. The others were.
type TooManyError struct {
	// Limit is the name of the limit, Bound what it is.
	Limit   string
	Bound   int64
	Refused int
}

// Error implements error.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("%d alerts were refused: limits.%s is %d; let some of the alerts end, group them at their source, or raise the limit",
		e.Refused, e.Limit, e.Bound)
}

// room is what one principal has left.
type room struct {
	limits  PushLimits
	alerts  int
	bytes   int64
	refused *TooManyError
}

// roomOf counts what the alerts of an origin take.
func roomOf(previous []Alert, o Origin, limits PushLimits) *room {
	rm := &room{limits: limits}
	if o.Kind != FromPush || limits == (PushLimits{}) {
		return rm
	}
	for i := range previous {
		if a := &previous[i]; a.Origin.Kind == FromPush && a.Origin.Principal == o.Principal {
			rm.alerts++
			rm.bytes += size(a.Labels) + size(a.Annotations)
		}
	}

	return rm
}

// takes reports whether there is room for so many more alerts and bytes, and takes
// it up.
func (rm *room) takes(alerts int, bytes int64) bool {
	switch l := rm.limits; {
	case alerts > 0 && l.Alerts > 0 && rm.alerts+alerts > l.Alerts:
		rm.refuse(limitAlerts, int64(l.Alerts))
	case bytes > 0 && l.Bytes > 0 && rm.bytes+bytes > l.Bytes:
		rm.refuse(limitBytes, l.Bytes)
	default:
		rm.alerts += alerts
		rm.bytes += bytes

		return true
	}

	return false
}

func (rm *room) refuse(limit string, bound int64) {
	if rm.refused == nil {
		rm.refused = &TooManyError{Limit: limit, Bound: bound}
	}
	rm.refused.Refused++
}

// size is how long labels or annotations are.
func size(set map[string]string) (n int64) {
	for name, value := range set {
		n += int64(len(name) + len(value))
	}

	return n
}
