package config

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// backend is the one that a section chose.
type backend struct {
	kind plugins.Kind
	name string
	at   place
	info *plugins.Info // nil: its capabilities are not known
}

// backend reads the backend key of [network] or [bgp].
func (b *builder) backend(kind plugins.Kind, t *table, standard string) backend {
	be := backend{kind: kind, name: standard, at: b.at(t)}
	if n, at := get[string](t, "backend"); at != nil {
		be.name, be.at = n, at.whole()
	}
	if b.opts.Info == nil || kind == plugins.KindNet && be.name == "auto" {
		return be
	}
	info, ok := b.opts.Info(kind, be.name)
	if !ok && b.opts.Refused != nil {
		if err := b.opts.Refused(kind, be.name); err != nil {
			b.fail(be.at, "", "the %s backend %q can't be used: %v", title(kind), be.name, err)
			return be
		}
	}
	if !ok {
		b.fail(be.at, didYouMean(be.name, b.known(kind)), "there is no %s backend %q", title(kind), be.name)
		return be
	}
	be.info = &info
	return be
}

// refused reports whether there is a program of that name that can't be used;
// who names it is told why.
func (b *builder) refused(name string) bool {
	return b.opts.Refused != nil && (b.opts.Refused(plugins.KindNet, name) != nil || b.opts.Refused(plugins.KindBGP, name) != nil)
}

// known lists the names that a backend key can have.
func (b *builder) known(kind plugins.Kind) []string {
	if b.opts.Names == nil {
		return nil
	}
	names := slices.Sorted(slices.Values(b.opts.Names(kind)))
	if kind == plugins.KindNet {
		names = append(names, "auto")
	}
	return names
}

// need reports an option that the backend lacks the capability for.
func (b *builder) need(be backend, c plugins.Cap, at place, what string) {
	if be.can(c) {
		return
	}
	var able []string
	for _, n := range b.known(be.kind) {
		if info, ok := b.opts.Info(be.kind, n); ok && info.Has(c) {
			able = append(able, n)
		}
	}
	hint := "no backend can; leave it out"
	if len(able) > 0 {
		hint = "backends that can: " + strings.Join(able, ", ")
	}
	b.fail(at, hint, "the %s backend %q can't %s", title(be.kind), be.name, what)
}

// can tells whether a backend has a capability; of one that nobody knows, that
// it does.
func (be backend) can(c plugins.Cap) bool { return be.info == nil || be.info.Has(c) }

func title(k plugins.Kind) string {
	if k == plugins.KindBGP {
		return "BGP"
	}
	return string(k)
}

// backends hands on [backend.NAME] as it is.
func (b *builder) backends() {
	t := b.root.sub("backend")
	known := slices.Concat(b.known(plugins.KindNet), b.known(plugins.KindBGP))
	b.cfg.Backends = map[string]map[string]any{}
	b.cfg.index = index{main: b.main, backends: map[string]*value{}}
	for _, n := range t.subNames() {
		v := t.sub(n).value
		if len(known) > 0 && (n == "auto" || !slices.Contains(known, n)) && !b.refused(n) {
			b.fail(v.whole(), didYouMean(n, known), "there is no backend %q", n)
		}
		b.cfg.Backends[n], _ = b.plain(v).(map[string]any)
		b.cfg.index.backends[n] = v
	}
}

// plain gives what a backend sees: times as RFC 3339 strings, and no number
// that JSON lacks.
func (b *builder) plain(v *value) any {
	if v.table != nil {
		out := make(map[string]any, len(v.table))
		for k, c := range v.table {
			out[k] = b.plain(c)
		}
		return out
	}
	return b.plainData(v, v.data)
}

func (b *builder) plainData(v *value, data any) any {
	switch d := data.(type) {
	case time.Time:
		return timeText(d)
	case float64:
		if math.IsNaN(d) || math.IsInf(d, 0) {
			b.fail(v.whole(), "", "%s must be a finite number", v.key)
		}
	case []any:
		out := make([]any, len(d))
		for i, e := range d {
			out[i] = b.plainData(v.elem(i, e), e)
		}
		return out
	case []map[string]any:
		out := make([]any, len(d))
		for i, e := range d {
			out[i] = b.plainData(v.elem(i, e), e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(d))
		for k, e := range d {
			out[k] = b.plainData(v, e)
		}
		return out
	}
	return data
}

// timeText writes the four kinds of TOML times. The parser marks those without
// a zone by the name of their location.
func timeText(t time.Time) string {
	switch t.Location().String() {
	case "datetime-local":
		return t.Format("2006-01-02T15:04:05.999999999")
	case "date-local":
		return t.Format(time.DateOnly)
	case "time-local":
		return t.Format("15:04:05.999999999")
	}
	return t.Format(time.RFC3339Nano)
}

// index remembers where the backends' tables stand, for Locate.
type index struct {
	main     *source
	backends map[string]*value
}

// Locate places a backend's complaint about its own table: at the key, else at
// the header of the table, else at the main file. The result is an *Invalid.
func (c *Config) Locate(name string, e *plugins.ConfigError) error {
	r := &report{}
	at := place{src: c.index.main}
	if v := c.index.backends[name]; v != nil {
		at = v.whole()
		if e.Key != "" {
			at = find(v, strings.Split(e.Key, "."), at)
		}
	}
	r.fail(at, e.Hint, "%s %s", label([]string{"backend", name}), e.Error())
	return &Invalid{Findings: r.sorted()}
}

// find follows path below v as far as it goes. A part can be the number of an
// array's element.
func find(v *value, path []string, at place) place {
	n := v.node
	for _, p := range path {
		if next := n.keys[p]; next != nil {
			n, at = next, place{v.src, next.key}
			continue
		}
		i, err := strconv.Atoi(p)
		if err != nil || i < 0 || i >= len(n.elems) {
			break
		}
		n = n.elems[i]
		at = place{v.src, n.val}
	}
	return at
}
