package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"llmwatch/bridge/alert"
)

// maxDescription bounds a description in the table, in bytes.
const maxDescription = 300

type alertsCmd struct {
	List  alertsListCmd  `cmd:"" help:"List the alerts that are not resolved."`
	Ack   alertsAckCmd   `cmd:"" help:"Acknowledge an alert: say \"I have it\"."`
	Close alertsCloseCmd `cmd:"" help:"End an alert that nobody would end otherwise."`
}

type alertsListCmd struct {
	clientFlags
	Severity string `help:"Only critical, high, medium or low ones." placeholder:"SEVERITY"`
	Name     string `help:"Only those of this rule." placeholder:"NAME"`
}

// Help is shown by `llmwatch alerts list --help`.
func (alertsListCmd) Help() string {
	return `Examples:
  llmwatch alerts list
  llmwatch alerts list --severity critical --json`
}

// Run prints a table.
func (c *alertsListCmd) Run(ctx context.Context, out output) error {
	query := url.Values{}
	for name, value := range map[string]string{"severity": c.Severity, "name": c.Name} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var answer struct {
		Data []struct {
			ID          string    `json:"id"`
			Severity    string    `json:"severity"`
			Status      string    `json:"status"`
			FiredAt     time.Time `json:"fired_at"`
			Description string    `json:"description"`
			LabelText   string    `json:"label_text"`
			Ack         *struct {
				By string `json:"by"`
			} `json:"acknowledgement"`
		} `json:"data"`
	}
	if printed, err := c.call(ctx, out, http.MethodGet, "/alerts?"+query.Encode(), nil, &answer); printed || err != nil {
		return err
	}
	w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSEVERITY\tSTATUS\tFIRED\tBY\tLABELS\tDESCRIPTION")
	for _, a := range answer.Data {
		by := "-"
		if a.Ack != nil {
			by = alert.PlainText(a.Ack.By, maxShown)
		}
		labels := cmp.Or(a.LabelText, "-")
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.ID, a.Severity, a.Status, a.FiredAt.Format(time.RFC3339), by, labels,
			alert.PlainText(a.Description, maxDescription))
	}

	return w.Flush()
}

type alertsAckCmd struct {
	ID string `arg:"" help:"Id of the alert, as alerts list shows it."`
	clientFlags
	By      string `env:"USER" help:"Who takes care of it." placeholder:"NAME"`
	Comment string `help:"What is being done." placeholder:"TEXT"`
	Expires string `help:"After how long reminders come back, such as 2h; never unless given." placeholder:"TIME"`
}

// Help is shown by `llmwatch alerts ack --help`.
func (alertsAckCmd) Help() string {
	return `Examples:
  llmwatch alerts ack high_cpu_usage_20240115
  llmwatch alerts ack high_cpu_usage_20240115 --comment "scaling up" --expires 2h`
}

// Run acknowledges.
func (c *alertsAckCmd) Run(ctx context.Context, out output) error {
	var answer struct {
		Message string `json:"message"`
	}
	ask := map[string]string{"acknowledged_by": c.By, "comment": c.Comment, "expires_in": c.Expires}
	printed, err := c.call(ctx, out, http.MethodPost, "/alerts/"+url.PathEscape(c.ID)+"/acknowledge", ask, &answer)
	if printed || err != nil {
		return err
	}
	fmt.Fprintln(out.stdout, answer.Message)

	return nil
}

type alertsCloseCmd struct {
	ID string `arg:"" help:"Id of the alert, as alerts list shows it."`
	clientFlags
	By      string `env:"USER" help:"Who closes it." placeholder:"NAME"`
	Comment string `help:"Why." placeholder:"TEXT"`
}

// Help is shown by `llmwatch alerts close --help`.
func (alertsCloseCmd) Help() string {
	return `For pushed alerts, and for those of a rule that is not there any more. One whose rule
still fires cannot be closed: acknowledge it, or disable or change the rule.

Examples:
  llmwatch alerts close deploy_20240115
  llmwatch alerts close deploy_20240115 --comment "was a test"`
}

// Run closes.
func (c *alertsCloseCmd) Run(ctx context.Context, out output) error {
	var answer struct {
		Message string `json:"message"`
	}
	ask := map[string]string{"closed_by": c.By, "comment": c.Comment}
	printed, err := c.call(ctx, out, http.MethodPost, "/alerts/"+url.PathEscape(c.ID)+"/close", ask, &answer)
	if printed || err != nil {
		return err
	}
	fmt.Fprintln(out.stdout, answer.Message)

	return nil
}
