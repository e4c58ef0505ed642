package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"llmwatch/internal/auth"
)

type usersCmd struct {
	Add    usersAddCmd    `cmd:"" help:"Let somebody log in."`
	List   usersListCmd   `cmd:"" help:"List the users."`
	Passwd usersPasswdCmd `cmd:"" help:"Change a password and end the user's sessions."`
	Role   usersRoleCmd   `cmd:"" help:"Change what a user may do, at once."`
	Remove usersRemoveCmd `cmd:"" help:"Shut a user out, at once."`
}

// passwordFlags say where a password comes from. It is no argument: those are
// visible to everyone on the machine.
type passwordFlags struct {
	PasswordFile string `help:"File that holds the password; asked for, or read from standard input, unless given." placeholder:"FILE"`
}

// password reads it from the file, the terminal or standard input.
func (f *passwordFlags) password(out output) (string, error) {
	password, err := f.read(out)
	if err != nil {
		return "", err
	}

	return password, auth.CheckPassword(password)
}

func (f *passwordFlags) read(out output) (string, error) {
	stdin := int(os.Stdin.Fd())
	switch {
	case f.PasswordFile != "":
		text, err := os.ReadFile(f.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("reading --password-file: %w", err)
		}

		return strings.TrimRight(string(text), "\r\n"), nil
	case !term.IsTerminal(stdin):
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the password: %w", err)
		}

		return strings.TrimRight(line, "\r\n"), nil
	}
	var typed [2]string
	for i, prompt := range []string{"Password: ", "Again: "} {
		fmt.Fprint(out.stderr, prompt)
		text, err := term.ReadPassword(stdin)
		fmt.Fprintln(out.stderr)
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ")
	}

	return typed[0], nil
}

type usersAddCmd struct {
	Name string `arg:"" help:"Name to log in with."`
	Role string `required:"" help:"admin, operator, viewer, ingest or scrape." placeholder:"ROLE"`
	passwordFlags
	dataFlags
}

// Help is shown by `llmwatch users add --help`.
func (usersAddCmd) Help() string {
	return `Examples:
  llmwatch users add ada --role admin
  llmwatch users add ada --role operator --password-file /run/secrets/ada`
}

// Run adds.
func (c *usersAddCmd) Run(ctx context.Context, out output) error {
	role, err := parseRole(c.Role)
	if err != nil {
		return err
	}
	password, err := c.password(out)
	if err != nil {
		return err
	}

	return c.change(ctx, true, "users add", c.Name+" "+string(role), func(store *auth.Store) error {
		if err := store.AddUser(ctx, c.Name, role, password); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out.stdout, "User %s may log in with the role %s.\n", c.Name, role)

		return err
	})
}

type usersListCmd struct {
	dataFlags
	JSON bool `name:"json" help:"Print JSON, for programs."`
}

// Help is shown by `llmwatch users list --help`.
func (usersListCmd) Help() string {
	return `Examples:
  llmwatch users list`
}

// Run prints a table.
func (c *usersListCmd) Run(ctx context.Context, out output) error {
	return c.with(ctx, false, func(store *auth.Store) error {
		users, err := store.Users(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(out.stdout, append([]auth.User{}, users...))
		}
		w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tROLE\tCREATED")
		for _, u := range users {
			fmt.Fprintf(w, "%s\t%s\t%s\n", u.Name, u.Role, shownTime(u.Created, ""))
		}

		return w.Flush()
	})
}

type usersPasswdCmd struct {
	Name string `arg:"" help:"Name of the user."`
	passwordFlags
	dataFlags
}

// Help is shown by `llmwatch users passwd --help`.
func (usersPasswdCmd) Help() string {
	return `Examples:
  llmwatch users passwd ada`
}

// Run changes the password.
func (c *usersPasswdCmd) Run(ctx context.Context, out output) error {
	password, err := c.password(out)
	if err != nil {
		return err
	}

	return c.change(ctx, false, "users passwd", c.Name, func(store *auth.Store) error {
		if err := store.SetPassword(ctx, c.Name, password); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out.stdout, "User %s has a new password and has to log in again.\n", c.Name)

		return err
	})
}

type usersRoleCmd struct {
	Name string `arg:"" help:"Name of the user."`
	Role string `arg:"" help:"admin, operator, viewer, ingest or scrape."`
	dataFlags
}

// Help is shown by `llmwatch users role --help`.
func (usersRoleCmd) Help() string {
	return `Examples:
  llmwatch users role ada operator`
}

// Run changes the role.
func (c *usersRoleCmd) Run(ctx context.Context, out output) error {
	role, err := parseRole(c.Role)
	if err != nil {
		return err
	}

	return c.change(ctx, false, "users role", c.Name+" "+string(role), func(store *auth.Store) error {
		if err := store.SetRole(ctx, c.Name, role); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out.stdout, "User %s has the role %s.\n", c.Name, role)

		return err
	})
}

type usersRemoveCmd struct {
	Name string `arg:"" help:"Name of the user."`
	dataFlags
}

// Help is shown by `llmwatch users remove --help`.
func (usersRemoveCmd) Help() string {
	return `Examples:
  llmwatch users remove ada`
}

// Run removes.
func (c *usersRemoveCmd) Run(ctx context.Context, out output) error {
	return c.change(ctx, false, "users remove", c.Name, func(store *auth.Store) error {
		if err := store.RemoveUser(ctx, c.Name); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out.stdout, "User %s is removed.\n", c.Name)

		return err
	})
}
