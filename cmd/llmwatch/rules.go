package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"

	"llmwatch/bridge/alert"
)

type rulesCmd struct {
	List    rulesListCmd    `cmd:"" help:"List the alert rules and their state."`
	Get     rulesGetCmd     `cmd:"" help:"Show one rule."`
	Add     rulesAddCmd     `cmd:"" help:"Add a custom rule."`
	Set     rulesSetCmd     `cmd:"" help:"Change a rule, or override a default one."`
	Delete  rulesDeleteCmd  `cmd:"" help:"Delete a custom rule, or bring a default one back to its default."`
	Enable  rulesEnableCmd  `cmd:"" help:"Enable a rule."`
	Disable rulesDisableCmd `cmd:"" help:"Disable a rule."`
	Check   rulesCheckCmd   `cmd:"" help:"Validate rule files."`
	Test    rulesTestCmd    `cmd:"" help:"Run unit tests of rule files."`
}

// shownRule is a rule as the API shows it, as far as it is printed.
type shownRule struct {
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Severity    string            `json:"severity"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Cooldown    *string           `json:"cooldown"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Enabled     bool              `json:"enabled"`
	Default     bool              `json:"default"`
	Overridden  bool              `json:"overridden"`
	Origin      string            `json:"origin"`
	Group       string            `json:"group"`
	File        string            `json:"file"`
	State       *struct {
		Health    string `json:"health"`
		LastError string `json:"last_error"`
		Firing    int    `json:"firing"`
		Pending   int    `json:"pending"`
	} `json:"state"`
}

// ruleFails is the health of a rule that cannot be evaluated.
const ruleFails = "err"

// maxShown bounds a name in a table, in bytes.
const maxShown = 100

// maxRuleText bounds a text of one rule: the API takes 16 KiB.
const maxRuleText = 16 << 10

// state says in a word how the rule is doing.
func (r *shownRule) state() string {
	switch {
	case !r.Enabled:
		return "disabled"
	case r.State == nil:
		return "-"
	case r.State.Health == ruleFails:
		return "broken"
	case r.State.Firing > 0:
		return fmt.Sprintf("firing (%d)", r.State.Firing)
	case r.State.Pending > 0:
		return fmt.Sprintf("pending (%d)", r.State.Pending)
	default:
		return r.State.Health
	}
}

// origin says where the rule comes from.
func (r *shownRule) origin() string {
	switch {
	case r.Overridden:
		return "overridden"
	case r.Origin == "file":
		return "file (" + alert.PlainText(r.Group, maxShown) + ")"
	default:
		return r.Origin
	}
}

type rulesListCmd struct{ clientFlags }

// Help is shown by `llmwatch rules list --help`.
func (rulesListCmd) Help() string {
	return `Examples:
  llmwatch rules list
  llmwatch rules list --json`
}

// Run prints a table.
func (c *rulesListCmd) Run(ctx context.Context, out output) error {
	var answer struct {
		Data      []shownRule `json:"data"`
		Recording []shownRule `json:"recording"`
		Warnings  []string    `json:"warnings"`
	}
	if printed, err := c.call(ctx, out, http.MethodGet, "/rules", nil, &answer); printed || err != nil {
		return err
	}
	w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSEVERITY\tFOR\tORIGIN\tSTATE")
	for i := range answer.Data {
		r := &answer.Data[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", alert.PlainText(r.Name, maxShown), r.Severity, r.For, r.origin(), r.state())
	}
	// Recording rules are listed only where they fail.
	for i := range answer.Recording {
		if r := &answer.Recording[i]; r.State != nil && r.State.Health == ruleFails {
			fmt.Fprintf(w, "%s\t-\t-\trecording (%s)\tbroken\n", alert.PlainText(r.Name, maxShown), alert.PlainText(r.Group, maxShown))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, warning := range answer.Warnings {
		fmt.Fprintln(out.stderr, "llmwatch: "+warning)
	}

	return nil
}

type rulesGetCmd struct {
	Name string `arg:"" help:"Name of the rule."`
	clientFlags
}

// Help is shown by `llmwatch rules get --help`.
func (rulesGetCmd) Help() string {
	return `Examples:
  llmwatch rules get high_cpu_usage`
}

// Run prints the rule.
func (c *rulesGetCmd) Run(ctx context.Context, out output) error {
	return c.askRule(ctx, out, http.MethodGet, rulePath(c.Name), nil)
}

func rulePath(name string) string { return "/rules/" + url.PathEscape(name) }

// askRule asks for something whose answer is a rule, and prints it.
func (f *clientFlags) askRule(ctx context.Context, out output, method, path string, body any) error {
	var answer struct {
		Data shownRule `json:"data"`
	}
	if printed, err := f.call(ctx, out, method, path, body, &answer); printed || err != nil {
		return err
	}
	r := &answer.Data
	cooldown := "general"
	if r.Cooldown != nil {
		cooldown = *r.Cooldown
	}
	w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"name", r.Name},
		{"severity", r.Severity},
		{"expr", r.Expr},
		{"for", r.For},
		{"cooldown", cooldown},
		{"description", r.Description},
		{"origin", r.origin()},
		{"group", r.Group},
		{"file", r.File},
		{"state", r.state()},
	} {
		fmt.Fprintf(w, "%s:\t%s\n", line[0], alert.PlainText(line[1], maxRuleText))
	}
	for _, set := range []struct {
		name  string
		pairs map[string]string
	}{{"labels", r.Labels}, {"annotations", r.Annotations}} {
		if len(set.pairs) > 0 {
			text, err := json.Marshal(set.pairs)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s:\t%s\n", set.name, text)
		}
	}
	if r.State != nil && r.State.LastError != "" {
		fmt.Fprintf(w, "error:\t%s\n", alert.PlainText(r.State.LastError, maxRuleText))
	}

	return w.Flush()
}

// ruleFlags are the fields of a rule. Those that are not given are not sent.
type ruleFlags struct {
	For         *string           `help:"How long the expression must hold, such as 10m." placeholder:"TIME" json:"for,omitempty"`
	Severity    *string           `help:"critical, high, medium (unless given) or low." placeholder:"SEVERITY" json:"severity,omitempty"`
	Description *string           `help:"What it means; may hold templates such as {{ $value }}." placeholder:"TEXT" json:"description,omitempty"`
	Cooldown    *string           `help:"Least time between two notifications, such as 30m." placeholder:"TIME" json:"cooldown,omitempty"`
	Labels      map[string]string `name:"label" help:"Further label of its alerts; may be repeated." placeholder:"NAME=VALUE" json:"labels,omitempty"`
	Annotations map[string]string `name:"annotation" help:"Further annotation, such as runbook_url=...; may be repeated." placeholder:"NAME=VALUE" json:"annotations,omitempty"`
}

type rulesAddCmd struct {
	Name string `arg:"" help:"Name of the rule."`
	Expr string `arg:"" help:"PromQL; the rule fires for each series that it yields."`
	ruleFlags
	clientFlags
}

// Help is shown by `llmwatch rules add --help`.
func (rulesAddCmd) Help() string {
	return `Examples:
  llmwatch rules add deep_backlog 'llm_queue_depth > 500' --for 10m --severity high
  llmwatch rules add too_many_failures 'sum(increase(llm_jobs_finished_total{status="failed"}[1h])) > 5' --cooldown 30m`
}

// Run adds the rule and prints it.
func (c *rulesAddCmd) Run(ctx context.Context, out output) error {
	return c.askRule(ctx, out, http.MethodPost, "/rules", struct {
		Name string `json:"name"`
		Expr string `json:"expr"`
		ruleFlags
	}{c.Name, c.Expr, c.ruleFlags})
}

type rulesSetCmd struct {
	Name string  `arg:"" help:"Name of the rule."`
	Expr *string `help:"PromQL." placeholder:"PROMQL"`
	ruleFlags
	clientFlags
}

// Help is shown by `llmwatch rules set --help`.
func (rulesSetCmd) Help() string {
	return `What is not given stays as it is.

Examples:
  llmwatch rules set high_cpu_usage --expr 'llmwatch:cpu_percent > 95'
  llmwatch rules set slow_first_token --severity low --for 30m`
}

// Run changes the rule and prints it.
func (c *rulesSetCmd) Run(ctx context.Context, out output) error {
	// A name that does not exist is more likely a typing error than a wish.
	if err := c.exists(ctx, c.Name); err != nil {
		return err
	}

	return c.askRule(ctx, out, http.MethodPut, rulePath(c.Name), struct {
		Expr *string `json:"expr,omitempty"`
		ruleFlags
	}{c.Expr, c.ruleFlags})
}

// exists fails where there is no rule of that name.
func (f clientFlags) exists(ctx context.Context, name string) error {
	f.JSON = false
	_, err := f.call(ctx, output{}, http.MethodGet, rulePath(name), nil, &struct{}{})

	return err
}

type rulesEnableCmd struct {
	Name string `arg:"" help:"Name of the rule."`
	clientFlags
}

// Run enables the rule and prints it.
func (c *rulesEnableCmd) Run(ctx context.Context, out output) error {
	return c.enable(ctx, out, c.Name, true)
}

type rulesDisableCmd struct {
	Name string `arg:"" help:"Name of the rule."`
	clientFlags
}

// Run disables the rule and prints it.
func (c *rulesDisableCmd) Run(ctx context.Context, out output) error {
	return c.enable(ctx, out, c.Name, false)
}

func (f *clientFlags) enable(ctx context.Context, out output, name string, enabled bool) error {
	if err := f.exists(ctx, name); err != nil {
		return err
	}

	return f.askRule(ctx, out, http.MethodPut, rulePath(name), map[string]bool{"enabled": enabled})
}

type rulesDeleteCmd struct {
	Name string `arg:"" help:"Name of the rule."`
	clientFlags
}

// Help is shown by `llmwatch rules delete --help`.
func (rulesDeleteCmd) Help() string {
	return `Default rules cannot be deleted; "rules disable" disables them.

Examples:
  llmwatch rules delete deep_backlog`
}

// Run deletes the rule.
func (c *rulesDeleteCmd) Run(ctx context.Context, out output) error {
	var answer struct {
		Message string `json:"message"`
	}
	if printed, err := c.call(ctx, out, http.MethodDelete, rulePath(c.Name), nil, &answer); printed || err != nil {
		return err
	}
	fmt.Fprintln(out.stdout, answer.Message)

	return nil
}
