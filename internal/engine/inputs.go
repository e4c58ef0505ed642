package engine

import (
	"errors"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// Inputs is what a rule's expression needs to be judged.
type Inputs struct {
	// Condition is the expression itself. Expr yields a series wherever it can be
	// judged, whether or not its condition holds, with the labels that the
	// expression's result has. Both yield vectors.
	Condition, Expr string
	// Window is how far back the expression looks.
	Window time.Duration
	// Metrics names the metrics that it reads.
	Metrics []string
}

// InputsOf returns the inputs of a rule's expression. Comparisons become their
// `bool` form, which drops nothing; `unless` and `absent` keep what they look at.
func InputsOf(expr string) (Inputs, error) {
	parsed, err := newParser().ParseExpr(expr)
	if err != nil {
		return Inputs{}, errors.New(oneLine(err))
	}
	var in Inputs
	in.Window = window(parsed)
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok && s.Name != "" {
			in.Metrics = append(in.Metrics, s.Name)
		}

		return nil
	})
	in.Condition = vectorOf(parsed)
	in.Expr = vectorOf(judgeable(parsed))

	return in, nil
}

// vectorOf writes an expression so that it yields a vector.
func vectorOf(expr parser.Expr) string {
	if expr.Type() == parser.ValueTypeScalar {
		return "vector(" + expr.String() + ")"
	}

	return expr.String()
}

// judgeable rewrites an expression in place, so that it filters nothing by value.
func judgeable(expr parser.Expr) parser.Expr {
	switch e := expr.(type) {
	case *parser.BinaryExpr:
		if e.Op == parser.LUNLESS {
			return judgeable(e.LHS)
		}
		e.LHS, e.RHS = judgeable(e.LHS), judgeable(e.RHS)
		if e.Op.IsComparisonOperator() {
			e.ReturnBool = true
		}
	case *parser.ParenExpr:
		e.Expr = judgeable(e.Expr)
	case *parser.UnaryExpr:
		e.Expr = judgeable(e.Expr)
	case *parser.StepInvariantExpr:
		e.Expr = judgeable(e.Expr)
	case *parser.SubqueryExpr:
		e.Expr = judgeable(e.Expr)
	case *parser.AggregateExpr:
		e.Expr = judgeable(e.Expr)
	case *parser.Call:
		return judgeableCall(e)
	}

	return expr
}

func judgeableCall(e *parser.Call) parser.Expr {
	for i := range e.Args {
		e.Args[i] = judgeable(e.Args[i])
	}
	switch e.Func.Name {
	case "absent":
		return e.Args[0]
	case "absent_over_time":
		e.Func = parser.Functions["present_over_time"]
	}

	return e
}

// window is how far back an expression looks, the server's lookback left out.
func window(expr parser.Node) time.Duration {
	var deepest time.Duration
	for child := range parser.ChildrenIter(expr) {
		deepest = max(deepest, window(child))
	}
	switch e := expr.(type) {
	case *parser.MatrixSelector:
		return deepest + e.Range
	case *parser.SubqueryExpr:
		return deepest + e.Range + max(e.OriginalOffset, 0)
	case *parser.VectorSelector:
		return max(e.OriginalOffset, 0)
	default:
		return deepest
	}
}
