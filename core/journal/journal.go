// Package journal logs to systemd's journal with each attribute as a field, so
// that journalctl can be asked for one VIP or peer.
package journal

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/coreos/go-systemd/v22/journal"
)

// There reports whether stderr goes to the journal (JOURNAL_STREAM,
// systemd.exec(5)), and the journal takes more than lines.
func There() bool {
	stream, err := journal.StderrIsJournalStream()
	return err == nil && stream && journal.Enabled()
}

// Handler is a slog.Handler. The message is what a person reads: the text with
// its attributes behind it; STENTOR_VIP and the like are for journalctl.
type Handler struct {
	level    slog.Leveler
	fallback slog.Handler
	group    string // of the attributes to come: "" or "a.b."
	attrs    []attr
}

type attr struct{ key, value string }

// New makes a Handler for records of at least level. What the journal does not
// take goes to fallback.
func New(level slog.Leveler, fallback slog.Handler) *Handler {
	return &Handler{level: level, fallback: fallback}
}

// Enabled reports whether records of a level are written.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// WithAttrs gives a Handler that adds attributes to every record.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *h
	more.fallback = h.fallback.WithAttrs(attrs)
	more.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		more.attrs = flatten(more.attrs, h.group, a)
	}
	return &more
}

// WithGroup gives a Handler that puts attributes to come into a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	more := *h
	more.fallback = h.fallback.WithGroup(name)
	more.group += name + "."
	return &more
}

// Handle writes a record.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	attrs := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool { attrs = flatten(attrs, h.group, a); return true })
	if journal.Send(message(r.Message, attrs), priority(r.Level), fields(attrs)) == nil {
		return nil
	}
	return h.fallback.Handle(ctx, r)
}

// flatten appends a, and what is in it if it is a group.
func flatten(to []attr, group string, a slog.Attr) []attr {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Key == "" {
			return to
		}
		return append(to, attr{group + a.Key, v.String()})
	}
	if a.Key != "" {
		group += a.Key + "."
	}
	for _, member := range v.Group() {
		to = flatten(to, group, member)
	}
	return to
}

// message is the text with its attributes, quoted where a blank or a line break
// would blur them.
func message(text string, attrs []attr) string {
	var b strings.Builder
	b.WriteString(text)
	for _, a := range attrs {
		v := a.value
		if v == "" || strings.ContainsFunc(v, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == '"' || r == '=' }) {
			v = strconv.Quote(v)
		}
		fmt.Fprintf(&b, " %s=%s", a.key, v)
	}
	return b.String()
}

// fields are the attributes under names that the journal takes: A-Z, 0-9 and _
// (systemd.journal-fields(7)).
func fields(attrs []attr) map[string]string {
	all := map[string]string{"SYSLOG_IDENTIFIER": "stentor"}
	for _, a := range attrs {
		all["STENTOR_"+strings.Map(func(r rune) rune {
			r = unicode.ToUpper(r)
			if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, a.key)] = a.value
	}
	return all
}

func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	default:
		return journal.PriDebug
	}
}
