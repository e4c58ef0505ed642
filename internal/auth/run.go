package auth

import (
	"context"
	"time"
)

// noteEvery is how often the last uses of tokens are written.
const noteEvery = time.Minute

// Run notes when tokens are used until the context ends, and then once more.
func (g *Guard) Run(ctx context.Context) {
	tick := time.NewTicker(noteEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			g.note(context.WithoutCancel(ctx))
			return
		case <-tick.C:
			g.note(ctx)
		}
	}
}

func (g *Guard) note(ctx context.Context) {
	g.mu.Lock()
	uses := g.uses
	g.uses = map[string]time.Time{}
	g.mu.Unlock()
	if len(uses) == 0 {
		return
	}
	if err := g.cfg.Store.noteUses(ctx, uses); err != nil {
		g.cfg.Logger.WarnContext(ctx, "the last use of tokens cannot be kept", "err", err)
	}
}
