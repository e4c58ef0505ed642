package engine

import (
	"testing"
	"time"
)

func TestInputsOf(t *testing.T) {
	const m = time.Minute
	for expr, want := range map[string]Inputs{
		`x > 1`:                       {Expr: `x > bool 1`},
		`1 > bool 0`:                  {Expr: `vector(1 > bool 0)`},
		`x > bool 1`:                  {Expr: `x > bool 1`},
		`x`:                           {Expr: `x`},
		`vector(1)`:                   {Expr: `vector(1)`},
		`count(up == 0) > 2`:          {Expr: `count(up == bool 0) > bool 2`},
		`a == 1 and on (job) b > 2`:   {Expr: `a == bool 1 and on (job) b > bool 2`},
		`a > 1 unless on (job) b > 2`: {Expr: `a > bool 1`},
		`a > 1 or b > 2`:              {Expr: `a > bool 1 or b > bool 2`},
		`absent(x{job="a"})`:          {Expr: `x{job="a"}`},
		`absent_over_time(x[5m])`:     {Expr: `present_over_time(x[5m])`, Window: 5 * m},
		`-(x > 1)`:                    {Expr: `-(x > bool 1)`},
		`rate(x[5m]) > 0.1`:           {Expr: `rate(x[5m]) > bool 0.1`, Window: 5 * m},
		`x > 2 * (x offset 1h)`:       {Expr: `x > bool 2 * (x offset 1h)`, Window: 60 * m},
		`max_over_time((rate(x[5m]) > 1)[10m:1m]) > 0`: {Expr: `max_over_time((rate(x[5m]) > bool 1)[10m:1m]) > bool 0`, Window: 15 * m},
		`increase(x[1h] offset 10m) > 1`:               {Expr: `increase(x[1h] offset 10m) > bool 1`, Window: 70 * m},
		`a / on (job) group_left (pod) b > 1`:          {Expr: `a / on (job) group_left (pod) b > bool 1`},
	} {
		got, err := InputsOf(expr)
		if err != nil || got.Expr != want.Expr || got.Window != want.Window {
			t.Errorf("%s: %q looks back %s (%v), want %q, %s", expr, got.Expr, got.Window, err, want.Expr, want.Window)
		}
	}
	if _, err := InputsOf("x >"); err == nil {
		t.Error("half an expression has inputs")
	}
	if got, err := InputsOf("a  >  b"); err != nil || got.Condition != "a > b" {
		t.Errorf("the condition is %q (%v), want the expression", got.Condition, err)
	}
	if got, err := InputsOf("a > b"); err != nil || len(got.Metrics) != 2 || got.Metrics[0] != "a" || got.Metrics[1] != "b" {
		t.Errorf("it reads %v (%v), want a and b", got.Metrics, err)
	}
}
