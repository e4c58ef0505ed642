package alert

import (
	"cmp"
	"slices"
)

// rank orders severities, the gravest first.
func (s Severity) rank() int {
	switch s {
	case Critical:
		return 0
	case High:
		return 1
	case Medium:
		return 2
	default:
		return 3
	}
}

// byGravity sorts the gravest alerts first, among equals the oldest.
func byGravity(ds []*draft) {
	slices.SortFunc(ds, func(x, y *draft) int {
		a, b := &x.Alert, &y.Alert

		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()), a.FiredAt.Compare(b.FiredAt), cmp.Compare(a.ID, b.ID))
	})
}
