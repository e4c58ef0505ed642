package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"

	"llmwatch/internal/app"
	"llmwatch/internal/auth"
)

type tokensCmd struct {
	Create tokensCreateCmd `cmd:"" help:"Make an API token and show it, once."`
	List   tokensListCmd   `cmd:"" help:"List the tokens, without their secrets."`
	Revoke tokensRevokeCmd `cmd:"" help:"End a token, at once."`
}

type tokensCreateCmd struct {
	Name    string `arg:"" help:"What the token is for; stands in logs and timelines."`
	Role    string `required:"" help:"admin, operator, viewer, ingest or scrape." placeholder:"ROLE"`
	Expires string `help:"After how long it ends, such as 90d; never unless given." placeholder:"TIME"`
	dataFlags
}

// Help is shown by `llmwatch tokens create --help`.
func (tokensCreateCmd) Help() string {
	return `The token goes to standard output and can be shown this once only.

Examples:
  llmwatch tokens create shipper --role ingest --expires 90d
  llmwatch tokens create prometheus --role scrape > /etc/prometheus/llmwatch.token`
}

// Run prints the token.
func (c *tokensCreateCmd) Run(ctx context.Context, out output) error {
	role, err := parseRole(c.Role)
	if err != nil {
		return err
	}
	var expires time.Time
	if c.Expires != "" {
		lasts, err := model.ParseDuration(c.Expires)
		if err != nil || lasts <= 0 {
			return &app.ConfigError{Err: fmt.Errorf("--expires must be a duration such as 12h or 90d, got %q", c.Expires)}
		}
		expires = time.Now().Add(time.Duration(lasts))
	}

	return c.change(ctx, true, "tokens create", c.Name+" "+string(role), func(store *auth.Store) error {
		token, secret, err := store.CreateToken(ctx, c.Name, role, expires)
		if err != nil {
			return err
		}
		fmt.Fprintf(out.stderr, "Token %s (id %s, role %s) expires: %s. It is not shown again.\n", token.Name, token.ID, token.Role, shownTime(token.Expires, "never"))
		_, err = fmt.Fprintln(out.stdout, secret)

		return err
	})
}

type tokensListCmd struct {
	dataFlags
	JSON bool `name:"json" help:"Print JSON, for programs."`
}

// Help is shown by `llmwatch tokens list --help`.
func (tokensListCmd) Help() string {
	return `The time of the last use is up to a minute old.

Examples:
  llmwatch tokens list
  llmwatch tokens list --data-dir /var/lib/llmwatch --json`
}

// Run prints a table.
func (c *tokensListCmd) Run(ctx context.Context, out output) error {
	return c.with(ctx, false, func(store *auth.Store) error {
		tokens, err := store.Tokens(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(out.stdout, append([]auth.Token{}, tokens...))
		}
		w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tROLE\tCREATED\tEXPIRES\tLAST USED")
		for _, t := range tokens {
			expires := shownTime(t.Expires, "never")
			if !t.Expires.IsZero() && !time.Now().Before(t.Expires) {
				expires += " (over)"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, t.Role, shownTime(t.Created, ""), expires, shownTime(t.LastUsed, "never"))
		}

		return w.Flush()
	})
}

type tokensRevokeCmd struct {
	Token string `arg:"" help:"Name or id."`
	dataFlags
}

// Help is shown by `llmwatch tokens revoke --help`.
func (tokensRevokeCmd) Help() string {
	return `Examples:
  llmwatch tokens revoke shipper`
}

// Run revokes.
func (c *tokensRevokeCmd) Run(ctx context.Context, out output) error {
	return c.change(ctx, false, "tokens revoke", c.Token, func(store *auth.Store) error {
		if err := store.RevokeToken(ctx, c.Token); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out.stdout, "Token %s is revoked.\n", c.Token)

		return err
	})
}
