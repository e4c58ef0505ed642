package engine

import (
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/strutil"
)

// Bounds of the text of an expression. The parser and the printer need time that
// grows with the square or the cube of the nesting, so they are applied before
// the one and between the two.
const (
	maxExprBytes     = 64 << 10
	maxExprBrackets  = 64   // Brackets that are open at a time.
	maxExprOperators = 500  // Operators in all.
	maxExprRegexps   = 100  // Regular expressions in all.
	maxExprDepth     = 100  // Levels of the parsed expression.
	maxExprSelectors = 100  // Selectors of the parsed expression.
	maxExprLiteral   = 4096 // Bytes of a string that is not a regular expression.
	maxLabelName     = 256  // Bytes of the label that count_values makes.
	maxMatchParams   = 64   // Selectors in one request for series or labels.
)

// boundError says which bound an expression or a query exceeds.
type boundError struct{ message string }

func (e *boundError) Error() string { return e.message }

func boundErrorf(format string, args ...any) error {
	return &boundError{fmt.Sprintf(format, args...)}
}

// checkText reports which bound the text of an expression exceeds. It costs no
// more than reading the text once.
func checkText(text string) error {
	if len(text) > maxExprBytes {
		return boundErrorf("the expression is %d bytes long, more than the %d that are permitted; use fewer terms or record parts of it with a rule", len(text), maxExprBytes)
	}
	var (
		item                     parser.Item
		open, operators, regexps int
		regexpNext               bool
	)
	for lexer := parser.Lex(text); ; {
		lexer.NextItem(&item)
		switch item.Typ {
		case parser.EOF, parser.ERROR:
			return nil // The parser says what is wrong.
		case parser.COMMENT:
			continue
		case parser.LEFT_PAREN, parser.LEFT_BRACE, parser.LEFT_BRACKET:
			open++
		case parser.RIGHT_PAREN, parser.RIGHT_BRACE, parser.RIGHT_BRACKET:
			open--
		case parser.STRING:
			if err := checkLiteral(item.Val, regexpNext); err != nil {
				return err
			}
		default:
		}
		regexpNext = item.Typ == parser.EQL_REGEX || item.Typ == parser.NEQ_REGEX
		switch {
		case regexpNext:
			regexps++
		case item.Typ.IsOperator():
			operators++
		}
		switch {
		case open > maxExprBrackets:
			return boundErrorf("the expression nests more than %d brackets; record parts of it with a rule", maxExprBrackets)
		case operators > maxExprOperators:
			return boundErrorf("the expression has more than %d operators; use an aggregation, a regular expression or a recording rule", maxExprOperators)
		case regexps > maxExprRegexps:
			return boundErrorf("the expression has more than %d regular expressions; join them into fewer", maxExprRegexps)
		}
	}
}

// checkLiteral checks a quoted string.
func checkLiteral(quoted string, isRegexp bool) error {
	if !isRegexp {
		// The pattern of label_replace is checked once it is known to be one.
		if len(quoted) > maxRegexpBytes {
			return boundErrorf("a string of the expression is %d bytes long, more than the %d that are permitted", len(quoted), maxRegexpBytes)
		}

		return nil
	}
	pattern, err := strutil.Unquote(quoted)
	if err != nil {
		return nil //nolint:nilerr // The parser says what is wrong.
	}

	return checkRegexp(pattern)
}

// checkShape reports which bound the form of a parsed expression exceeds.
func checkShape(expr parser.Expr) error {
	selectors := 0

	return checkNode(expr, 1, &selectors)
}

func checkNode(node parser.Node, depth int, selectors *int) error {
	if _, ok := node.(*parser.VectorSelector); ok {
		*selectors++
	}
	switch {
	case depth > maxExprDepth:
		return boundErrorf("the expression is more than %d levels deep (a chain of operators is as deep as it is long); record parts of it with a rule", maxExprDepth)
	case *selectors > maxExprSelectors:
		return boundErrorf("the expression has more than %d selectors; use a regular expression or a recording rule", maxExprSelectors)
	}
	if aggregation, ok := node.(*parser.AggregateExpr); ok {
		if name, ok := aggregation.Param.(*parser.StringLiteral); ok && len(name.Val) > maxLabelName {
			return boundErrorf("the label of count_values is %d bytes long, more than the %d that are permitted", len(name.Val), maxLabelName)
		}
	}
	if call, ok := node.(*parser.Call); ok {
		if err := checkCall(call); err != nil {
			return err
		}
	}
	for child := range parser.ChildrenIter(node) {
		if err := checkNode(child, depth+1, selectors); err != nil {
			return err
		}
	}

	return nil
}

// checkCall checks the strings of a call.
func checkCall(call *parser.Call) error {
	for i, arg := range call.Args {
		literal, ok := arg.(*parser.StringLiteral)
		if !ok {
			continue
		}
		if call.Func.Name == "label_replace" && i == labelReplacePattern {
			if err := checkRegexp(literal.Val); err != nil {
				return err
			}
		} else if len(literal.Val) > maxExprLiteral {
			return boundErrorf("a string of %s is %d bytes long, more than the %d that are permitted", call.Func.Name, len(literal.Val), maxExprLiteral)
		}
	}

	return nil
}

// newParser returns the PromQL dialect of this engine: the server's own plus
// `anchored` and `smoothed` range selectors, which make increase() exact. It
// refuses what exceeds the bounds of an expression's text.
func newParser() parser.Parser {
	return boundedParser{parser.NewParser(parser.Options{EnableExtendedRangeSelectors: true})}
}

type boundedParser struct{ inner parser.Parser }

// ParseExpr implements parser.Parser.
func (p boundedParser) ParseExpr(input string) (parser.Expr, error) {
	if err := checkText(input); err != nil {
		return nil, err
	}
	expr, err := p.inner.ParseExpr(input)
	if err != nil {
		return nil, err
	}

	return expr, checkShape(expr)
}

// ParseMetric implements parser.Parser.
func (p boundedParser) ParseMetric(input string) (labels.Labels, error) {
	if err := checkText(input); err != nil {
		return labels.EmptyLabels(), err
	}

	return p.inner.ParseMetric(input)
}

// ParseMetricSelector implements parser.Parser.
func (p boundedParser) ParseMetricSelector(input string) ([]*labels.Matcher, error) {
	if err := checkText(input); err != nil {
		return nil, err
	}

	return p.inner.ParseMetricSelector(input)
}

// ParseMetricSelectors implements parser.Parser.
func (p boundedParser) ParseMetricSelectors(inputs []string) ([][]*labels.Matcher, error) {
	if len(inputs) > maxMatchParams {
		return nil, boundErrorf("the request has %d selectors, more than the %d that are permitted; use regular expressions", len(inputs), maxMatchParams)
	}
	for _, input := range inputs {
		if err := checkText(input); err != nil {
			return nil, err
		}
	}

	return p.inner.ParseMetricSelectors(inputs)
}

// ParseSeriesDesc implements parser.Parser.
func (p boundedParser) ParseSeriesDesc(input string) (labels.Labels, []parser.SequenceValue, error) {
	return p.inner.ParseSeriesDesc(input)
}

// RegisterFeatures implements parser.Parser.
func (p boundedParser) RegisterFeatures(r features.Collector) { p.inner.RegisterFeatures(r) }
