package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"

	"llmwatch/internal/app"
	"llmwatch/internal/auth"
)

type auditCmd struct {
	List   auditListCmd   `cmd:"" help:"Show who did or read what."`
	Verify auditVerifyCmd `cmd:"" help:"Find removed and altered entries."`
}

type auditListCmd struct {
	dataFlags
	Since   string `default:"24h" help:"How far back." placeholder:"TIME"`
	Actor   string `help:"Only what this user or token did; anonymous for callers without credentials." placeholder:"NAME"`
	Outcome string `enum:",ok,denied,failed" default:"" help:"Only ok, denied or failed." placeholder:"OUTCOME"`
	Limit   int    `default:"100" help:"How many entries at most."`
	JSON    bool   `name:"json" help:"Print JSON lines, for programs."`
}

// Help is shown by `llmwatch audit list --help`.
func (auditListCmd) Help() string {
	return `The newest entries come first. Several equal reads within seconds are one entry.

Examples:
  llmwatch audit list
  llmwatch audit list --outcome denied --since 7d
  llmwatch audit list --actor ada --limit 1000 --json`
}

// Run prints a table.
func (c *auditListCmd) Run(ctx context.Context, out output) error {
	since, err := model.ParseDuration(c.Since)
	if err != nil {
		return &app.ConfigError{Err: fmt.Errorf("--since must be a duration such as 12h or 7d, got %q", c.Since)}
	}

	return c.with(ctx, false, func(store *auth.Store) error {
		links, err := store.Audit(ctx, auth.AuditFilter{
			Since: time.Now().Add(-time.Duration(since)), Actor: c.Actor, Outcome: auth.Outcome(c.Outcome), Limit: max(c.Limit, 1),
		})
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
		if !c.JSON {
			fmt.Fprintln(w, "SEQ\tTIME\tACTOR\tKIND\tACTION\tTARGET\tOUTCOME\tTIMES\tFROM")
		}
		for i := range links {
			if c.JSON {
				fmt.Fprintf(out.stdout, "{\"seq\":%d,\"link\":%q,%s\n", links[i].Seq, links[i].String(), links[i].Body[1:])
				continue
			}
			e, err := links[i].Entry()
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", links[i].Seq, shownTime(e.At.Time, ""), e.Actor,
				cmp.Or(string(e.Kind), "-"), e.Action, cmp.Or(e.Target, "-"), e.Outcome, max(e.Times, 1), cmp.Or(e.From, "-"))
		}

		return w.Flush()
	})
}

type auditVerifyCmd struct {
	dataFlags
	Link    []string `help:"What an earlier look printed as the end, SEQ:HASH: it must still be there." placeholder:"LINK"`
	Against []string `help:"Log file of llmwatch, in JSON: each entry that it tells of must be there as it was." placeholder:"FILE" type:"existingfile"`
}

// Help is shown by `llmwatch audit verify --help`.
func (auditVerifyCmd) Help() string {
	return `Each entry carries a hash of itself and of the one before, so that one which was
removed, altered, moved or put in shows. Who can write the database can also
write a whole new chain, or cut its end off and say that it ends there. That is
found by comparison: with the end that an earlier look printed, or with the log,
which tells of each entry and is best kept elsewhere.

Examples:
  llmwatch audit verify
  llmwatch audit verify --against /var/log/llmwatch.log
  llmwatch audit verify --link 4711:3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b`
}

// Run looks at every entry and fails where something is wrong.
func (c *auditVerifyCmd) Run(ctx context.Context, out output) error {
	remembered, err := c.remembered()
	if err != nil {
		return err
	}

	return c.with(ctx, false, func(store *auth.Store) error {
		v, err := store.Verify(ctx, remembered)
		if err != nil {
			return err
		}
		for _, problem := range v.Problems {
			fmt.Fprintln(out.stdout, problem)
		}
		if len(v.Problems) > 0 {
			return fmt.Errorf("the audit trail is not what was written: %s", v.Problems[0])
		}
		_, err = fmt.Fprintf(out.stdout, "%d entries, from %d on, are as they were written; %d were compared with others' memory.\nThe end is %s\n",
			v.Entries, v.First, v.Compared, v.Last.String())

		return err
	})
}

func (c *auditVerifyCmd) remembered() (map[int64][sha256.Size]byte, error) {
	all := map[int64][sha256.Size]byte{}
	for _, link := range c.Link {
		seq, hash, err := auth.ParseLink(link)
		if err != nil {
			return nil, &app.ConfigError{Err: fmt.Errorf("--link %w", err)}
		}
		all[seq] = hash
	}
	for _, name := range c.Against {
		if err := readLinks(name, all); err != nil {
			return nil, err
		}
	}

	return all, nil
}

// maxLogLine bounds a line of the log that is compared with.
const maxLogLine = 1 << 20

// readLinks collects the links that a log tells of.
func readLinks(name string, into map[int64][sha256.Size]byte) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("reading --against: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLogLine)
	for lines.Scan() {
		if !bytes.Contains(lines.Bytes(), []byte(`"logger":"audit"`)) {
			continue
		}
		var line struct {
			Link string `json:"link"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil || !strings.Contains(line.Link, ":") {
			continue // Another line of that logger, or one that was cut.
		}
		seq, hash, err := auth.ParseLink(line.Link)
		if err != nil {
			return fmt.Errorf("%s: link %w", name, err)
		}
		into[seq] = hash
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading --against %s: %w", name, err)
	}

	return nil
}
