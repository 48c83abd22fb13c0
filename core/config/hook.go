package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/core/history"
)

// Hook is one [hook.NAME]: who is told of events. Either Exec or URL is there.
type Hook struct {
	Name    string
	Exec    []string
	URL     string
	Token   string   // for a Bearer header (RFC 6750); a secret
	On      []string // kinds of objects, "vip", or states that they enter, "vip.announced"
	Timeout time.Duration
	Style   HookStyle
}

// HookStyle is how a program is told.
type HookStyle string

// The styles of a hook.
const (
	StyleStentor    HookStyle = "stentor"    // JSON on stdin, the event in the environment
	StyleKeepalived HookStyle = "keepalived" // keepalived's four arguments as well
)

// maxToken bounds a Bearer token: a JWT takes some KiB at most.
const maxToken = 8 << 10

func hook() *spec {
	return &spec{keys: map[string]reader{
		"exec":       command(absolute),
		"url":        text("https://example.net/hook", webhook),
		"token_file": text("/etc/stentor/hook.token", absolute),
		"on":         list[string](64, text("vip", eventName)),
		"timeout":    duration{lo: 100 * time.Millisecond, hi: 5 * time.Minute}.read,
		"style":      oneOf(StyleStentor, StyleKeepalived),
	}}
}

// hooks reads [hook.NAME].
func (b *builder) hooks() {
	tables := b.root.sub("hook")
	for _, n := range tables.subNames() {
		b.cfg.Hooks = append(b.cfg.Hooks, b.hook(n, tables.sub(n)))
	}
	slices.SortFunc(b.cfg.Hooks, func(x, y Hook) int { return strings.Compare(x.Name, y.Name) })
}

func (b *builder) hook(name string, t *table) Hook {
	h := Hook{Name: name, On: []string{"vip"}, Timeout: 10 * time.Second, Style: StyleStentor}
	var execAt, urlAt *value
	h.Exec, execAt = get[[]string](t, "exec")
	h.URL, urlAt = get[string](t, "url")
	switch {
	case t.has("exec") && t.has("url"):
		b.fail(t.whole(), "give the other one a [hook.NAME] of its own", "%s has both exec and url", t.label)
	case !t.has("exec") && !t.has("url"):
		b.fail(t.whole(), `write exec = ["/usr/local/bin/notify"] or url = "https://..."`, "%s has neither exec nor url", t.label)
	}
	if execAt != nil && !b.opts.Offline {
		if m := program(h.Exec[0]); m != nil {
			b.fail(execAt.elem(0, h.Exec[0]).whole(), m.hint, "%s %s", h.Exec[0], m.msg)
		}
	}
	if on, at := get[[]string](t, "on"); at != nil {
		h.On = on
		if len(on) == 0 {
			b.fail(at.whole(), `leave it out for ["vip"], or delete the hook`, "on is empty")
		}
	}
	if d, at := get[time.Duration](t, "timeout"); at != nil {
		h.Timeout = d
	}
	if s, at := get[HookStyle](t, "style"); at != nil {
		h.Style = s
		if s == StyleKeepalived && urlAt != nil {
			b.fail(at.whole(), "leave it out", "style is for programs, and %s has a url", t.label)
		}
	}
	b.token(&h, t, urlAt)
	return h
}

// token reads the secret of a webhook, which must not cross a network in the clear.
func (b *builder) token(h *Hook, t *table, urlAt *value) {
	path, at := get[string](t, "token_file")
	switch {
	case at == nil:
		return
	case !t.has("url"):
		b.fail(at.name(), "leave it out", "token_file is for a url, and %s has none", t.label)
		return
	case urlAt != nil && !private(h.URL):
		b.fail(at.name(), "use https", "the token would cross the network in the clear")
		return
	case b.opts.Offline:
		return
	}
	var m *mistake
	if h.Token, m = readSecret(path, "token", maxToken); m != nil {
		b.fail(at.whole(), m.hint, "%s: %s", path, m.msg)
	}
}

// webhook reads where to POST.
func webhook(s string) (string, *mistake) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", &mistake{"is no address of a web server", `like "https://example.net/hook"`}
	case u.User != nil:
		return "", &mistake{"has a user or a password in it, which status and logs would show", "put a token into a file: token_file"}
	}
	return s, nil
}

// private reports whether nobody on the way can read what is sent to u.
func private(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || err == nil && ip.IsLoopback()
}

// eventName reads "vip" or "vip.announced".
func eventName(s string) (string, *mistake) {
	kind, state, finer := strings.Cut(s, ".")
	words := history.States()
	states, ok := words[kind]
	switch {
	case !ok:
		return "", &mistake{fmt.Sprintf("knows no %q", kind), didYouMean(kind, slices.Sorted(maps.Keys(words)))}
	case finer && !slices.Contains(states, state):
		return "", &mistake{fmt.Sprintf("knows no state %q of a %s", state, kind), didYouMean(state, states)}
	}
	return s, nil
}
