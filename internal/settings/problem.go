package settings

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Layer is where a value can come from; a higher one counts more.
type Layer int

// The layers.
const (
	FromDefault Layer = iota
	FromFile
	FromEnvironment
	FromFlag
	FromProgram // The program itself set it, and nobody else can.
)

// Origin is where a value came from.
type Origin struct {
	Layer Layer
	// Name is the path of the file, the variable or the flag with its dashes.
	Name string
	Line int // In the file.
}

// String names the origin as the user does.
func (o Origin) String() string {
	switch o.Layer {
	case FromFile:
		if o.Line == 0 {
			return o.Name
		}

		return o.Name + ":" + strconv.Itoa(o.Line)
	case FromEnvironment, FromFlag:
		return o.Name
	case FromProgram:
		return "program"
	default:
		return "default"
	}
}

// Problem is one thing that is wrong.
type Problem struct {
	Origin Origin
	// Text says what is wrong and what would be right, and names the key.
	Text string
}

// Problems are everything that is wrong, one a line.
type Problems []Problem

// Error implements error.
func (p Problems) Error() string { return strings.Join(p.Lines(), "\n") }

// Lines are the problems in words.
func (p Problems) Lines() []string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Text
		if problem.Origin.Layer != FromDefault {
			lines[i] = problem.Origin.String() + ": " + problem.Text
		}
	}

	return lines
}

func (p *Problems) add(origin Origin, format string, args ...any) {
	*p = append(*p, Problem{origin, fmt.Sprintf(format, args...)})
}

// err is nil without problems; otherwise they are in the order of the file,
// environment and flags.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	for i := range p {
		p[i].Text = Public(p[i].Text) // Sections repeat what they refuse.
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Origin.Layer, b.Origin.Layer), cmp.Compare(a.Origin.Line, b.Origin.Line), cmp.Compare(a.Origin.Name, b.Origin.Name))
	})

	return p
}

// nearest returns the name that was probably meant, or nothing.
func nearest(wrong string, known []string) string {
	best, least := "", min(2, max(len(wrong)-1, 0)/2)+1
	for _, name := range known {
		if d := distance(strings.ToLower(wrong), name); d < least {
			best, least = name, d
		}
	}

	return best
}

// distance is how many letters must be added, removed, replaced or swapped with
// their neighbours to make b of a. Long names are far from everything.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(last[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}

	return last[len(b)]
}
