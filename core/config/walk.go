package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// table is one table whose keys are all known and read. A nil table is one
// that is not there.
type table struct {
	*value
	label string
	items map[string]item
	subs  map[string]*table
}

// item is one key: what was read, nil if it was bad, and where it stands.
type item struct {
	data any
	at   *value
}

// get gives the value of a key and where it stands; nil stands for a key that
// is absent or was reported.
func get[T any](t *table, key string) (T, *value) {
	if t != nil {
		if x, ok := t.items[key].data.(T); ok {
			return x, t.items[key].at
		}
	}
	var zero T
	return zero, nil
}

// has tells whether the key is there, good or bad.
func (t *table) has(key string) bool {
	if t == nil {
		return false
	}
	_, ok := t.items[key]
	return ok
}

// sub gives the table below t, or nil.
func (t *table) sub(name string) *table {
	if t == nil {
		return nil
	}
	return t.subs[name]
}

// subNames gives the names of the tables below t in byte order.
func (t *table) subNames() []string {
	if t == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(t.subs))
}

// walk reads every key of the tree by its spec, and reports what has none.
func walk(r *report, root *spec, v *value, path []string) *table {
	w := walker{report: r, root: root}
	return w.table(root, v, path)
}

type walker struct {
	*report
	root *spec
}

func (w walker) table(sp *spec, v *value, path []string) *table {
	t := &table{value: v, label: "at the top level", items: map[string]item{}, subs: map[string]*table{}}
	if len(path) > 0 {
		t.label = label(path)
	}
	if sp.opaque {
		return t
	}
	for _, k := range v.names() {
		c := v.table[k]
		at := append(path, k)
		if sp.each != nil {
			w.named(t, sp, c, at)
			continue
		}
		if sub := sp.subs[k]; sub != nil {
			w.child(t, sub, c, at)
			continue
		}
		read := sp.keys[k]
		if read == nil {
			read = sp.eachKey
		}
		if read == nil {
			w.unknown(t, sp, c, at)
			continue
		}
		t.items[k] = item{at: c}
		if x, ok := read(w.report, c); ok {
			t.items[k] = item{x, c}
		}
	}
	return t
}

// named reads a table whose name the admin chose. A key in its place is one
// of such a table without a name.
func (w walker) named(parent *table, sp *spec, v *value, path []string) {
	_, array := v.data.([]map[string]any)
	switch {
	case v.table == nil && !array:
		w.fail(parent.whole(), "give it one, as in "+label(append(path[:len(path)-1:len(path)-1], sp.example)), "%s has no name", parent.label)
	case !nameForm.MatchString(v.key):
		w.fail(v.name(), nameRule, "%q can't be the name in %s", v.key, label(path))
	default:
		w.child(parent, sp.each, v, path)
	}
}

// child reads a value that must be a table.
func (w walker) child(parent *table, sp *spec, v *value, path []string) {
	if v.table != nil {
		parent.subs[v.key] = w.table(sp, v, path)
		return
	}
	at := v.name()
	if _, array := v.data.([]map[string]any); array {
		at = v.whole()
	}
	hint := "write " + label(path)
	if sp.example != "" {
		hint = "write " + label(append(path, sp.example))
	}
	w.fail(at, hint, "%s must be a table, not %s", label(path), v.kind())
}

// unknown reports a key or a table that nobody reads. The key that was most
// likely meant counts as there, so that nobody complains that it is missing.
func (w walker) unknown(t *table, sp *spec, v *value, path []string) {
	known := slices.Concat(slices.Sorted(maps.Keys(sp.keys)), slices.Sorted(maps.Keys(sp.subs)))
	what := fmt.Sprintf("unknown key %q in %s", v.key, label(path[:len(path)-1]))
	if len(path) == 1 {
		what = fmt.Sprintf("unknown key %q at the top level", v.key)
	}
	if v.table != nil {
		what = "unknown table " + label(path)
	}
	if w.full() {
		w.fail(v.name(), "", "%s", what) // counted only, so without the search for a hint
		return
	}
	near := suggest(v.key, known)
	if near != "" && !t.has(near) {
		t.items[near] = item{at: v}
	}
	home := w.homes(v.key)
	hint := didYouMean(v.key, known)
	switch {
	case strings.EqualFold(near, v.key):
		hint = fmt.Sprintf("keys are case-sensitive: write %q", near)
	case strings.Contains(strings.ToLower(v.key), "passw"):
		hint = `a password stands in a file of its own: password_file = "/etc/stentor/NAME.key"`
	case near == "" && len(home) > 0:
		hint = "it belongs in " + strings.Join(home, " or ")
	}
	w.fail(v.name(), hint, "%s", what)
}

// homes lists the tables that know a key.
func (w walker) homes(key string) []string {
	var homes []string
	each(w.root, nil, func(path []string) {
		if n := len(path) - 1; n > 0 && path[n] == key {
			homes = append(homes, "["+strings.Join(path[:n], ".")+"]")
		}
	})
	return homes
}

// each visits the path of every key and table of sp in byte order; chosen
// names are NAME.
func each(sp *spec, path []string, visit func([]string)) {
	at := func(k string) []string { return append(slices.Clone(path), k) }
	for _, k := range slices.Sorted(maps.Keys(sp.keys)) {
		visit(at(k))
	}
	for _, k := range slices.Sorted(maps.Keys(sp.subs)) {
		visit(at(k))
		each(sp.subs[k], at(k), visit)
	}
	if sp.eachKey != nil {
		visit(at("NAME"))
	}
	if sp.each != nil {
		visit(at("NAME"))
		each(sp.each, at("NAME"), visit)
	}
}
