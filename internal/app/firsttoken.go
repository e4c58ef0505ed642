package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"llmwatch/internal/auth"
)

// firstTokenName is the name of the token that a first start makes.
const firstTokenName = "first-admin"

// letFirstAdminIn makes a token of an admin where callers have to show credentials
// and nobody has any. It is shown on Config.Console and not logged: the log is kept,
// and read by others. A later start makes another one only where nobody has any again.
func (a *App) letFirstAdminIn(ctx context.Context, cfg *Config, store *auth.Store) error {
	if store == nil || !cfg.Security.APIAuthentication || len(a.port.web.users) > 0 {
		return nil
	}
	empty, err := store.Empty(ctx)
	if err != nil || !empty {
		return err
	}
	addUser := "llmwatch users add NAME --role admin --db-path " + cfg.databaseFile()
	if cfg.Console == nil {
		a.logger.WarnContext(ctx, "nobody can be let in: there is no user and no token", "make_a_user", addUser)

		return nil
	}
	_, secret, err := store.CreateToken(ctx, firstTokenName, auth.Admin, time.Time{})
	if errors.Is(err, auth.ErrExists) {
		return nil // Another process of the same start was faster.
	}
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(cfg.Console, `
Nobody could be let in so far. This token of an admin is shown once:

    %s

Programs send it as "Authorization: Bearer ...", the command line as LLMWATCH_TOKEN.
The page needs a user: %s
Afterwards, revoke it: llmwatch tokens revoke %s --db-path %s

`, secret, addUser, firstTokenName, cfg.databaseFile()); err != nil {
		return errors.Join(fmt.Errorf("showing the token %s: %w", firstTokenName, err), store.RevokeToken(ctx, firstTokenName))
	}

	return nil
}
