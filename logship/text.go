package logship

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/lmittmann/tint"
)

// newTextHandler returns a handler for people who read along.
func newTextHandler(w io.Writer, level slog.Leveler, redactor *Redactor, noColor bool) slog.Handler {
	if !isLineWriter(w) {
		w = &lockedWriter{w: w}
	}

	return &textHandler{tint.NewTextHandler(w, &tint.Options{
		Level: level, TimeFormat: time.TimeOnly, NoColor: noColor,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr { return textAttr(redactor, groups, a) },
	})}
}

// textAttr redacts an attribute, the message too, and names the level above ERROR.
func textAttr(redactor *Redactor, groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.LevelKey {
		if level, ok := a.Value.Any().(slog.Level); ok && level >= LevelCritical {
			a.Value = slog.StringValue("CRT")
		}

		return a
	}
	if redactor == nil || (len(groups) == 0 && a.Key == slog.TimeKey) {
		return a
	}
	for _, group := range groups {
		if redactor.Sensitive(group) {
			a.Value = slog.StringValue(Redacted)
		}
	}
	if redactor.Sensitive(a.Key) {
		a.Value = slog.StringValue(Redacted)
	}
	if kind := a.Value.Kind(); kind == slog.KindString || kind == slog.KindAny {
		text := a.Value.String()
		if clean := redactor.String(text); clean != text {
			a.Value = slog.StringValue(clean)
		}
	}

	return a
}

// textHandler adds the attributes of the context.
type textHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h *textHandler) Handle(ctx context.Context, r slog.Record) error {
	if values := contextOf(ctx); values != nil {
		r = r.Clone()
		if values.requestID != "" {
			r.AddAttrs(slog.String(requestIDAttr, values.requestID))
		}
		r.AddAttrs(values.attrs...)
	}

	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &textHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h *textHandler) WithGroup(name string) slog.Handler {
	return &textHandler{h.Handler.WithGroup(name)}
}
