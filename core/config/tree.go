package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// value is one TOML value together with the place that it came from.
type value struct {
	key   string            // its name in its table
	data  any               // what the parser gave, unless it is a table
	table map[string]*value // nil unless it is a table
	src   *source
	node  *node
	// inArray: an element, which has the key of its array.
	inArray bool
}

// name is where the key stands, whole where its value does.
func (v *value) name() place  { return place{v.src, v.node.key} }
func (v *value) whole() place { return place{v.src, v.node.val} }

// elem is element i of an array.
func (v *value) elem(i int, data any) *value {
	n := v.node
	if i < len(n.elems) {
		n = n.elems[i]
	}
	return &value{key: v.key, data: data, src: v.src, node: n, inArray: true}
}

// names gives the keys of a table in byte order.
func (v *value) names() []string { return slices.Sorted(maps.Keys(v.table)) }

// parse reads one file into a tree of values with places. It returns nil and
// reports why if the file is no TOML.
func parse(r *report, src *source) *value {
	s, p := scan(src.data)
	if p != nil {
		r.fail(place{src, p.at}, p.hint, "%s", p.msg)
		return nil
	}
	for _, t := range s.twice {
		what := fmt.Sprintf("%q", t.name)
		if t.header {
			what = "[" + t.name + "]"
		}
		first, _, _ := place{src, t.first}.resolve()
		r.fail(place{src, t.second}, "keep one of them", "%s is defined twice, first at %s", what, first)
	}
	if len(s.twice) > 0 {
		return nil
	}
	data, err := decode(src.data)
	if err != nil {
		p := s.explain(err)
		r.fail(place{src, p.at}, p.hint, "%s", p.msg)
		return nil
	}
	return annotate("", data, src, s.root)
}

// decode runs the TOML parser, which panics where it meets a bug of its own.
func decode(data []byte) (tree map[string]any, err error) {
	defer func() {
		if p := recover(); p != nil {
			tree, err = nil, fmt.Errorf("the TOML parser failed: %v", p)
		}
	}()
	_, err = toml.Decode(string(data), &tree)
	return tree, err
}

// explain places an error of the TOML parser.
func (s *scanner) explain(err error) *problem {
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		return &problem{msg: err.Error()}
	}
	start := pe.Position.Start
	for _, at := range s.bare {
		if at.start <= start && start < at.end {
			return s.notAValue(at)
		}
	}
	return &problem{at: span{start, start + max(1, pe.Position.Len)}, msg: "syntax error: " + pe.Message}
}

// annotate joins the parser's values with their places.
func annotate(key string, data any, src *source, n *node) *value {
	v := &value{key: key, data: data, src: src, node: n}
	table, ok := data.(map[string]any)
	if !ok {
		return v
	}
	v.data, v.table = nil, make(map[string]*value, len(table))
	for k, d := range table {
		at := n.keys[k]
		if at == nil {
			at = n // a key that the scanner did not see is as good as its table
		}
		v.table[k] = annotate(k, d, src, at)
	}
	return v
}

// kind names the TOML type of v for people.
func (v *value) kind() string {
	switch v.data.(type) {
	case nil:
		return "a table"
	case string:
		return "a string"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case time.Time:
		return "a date"
	case []map[string]any:
		return "an array of tables"
	}
	return "an array"
}

// merge adds the tables of src to dst. Tables continue from file to file; a
// named table, like a plain key, belongs to one file alone, so that what it
// says is seen in one place.
func merge(r *report, dst, src *value, path []string) {
	for _, k := range src.names() {
		have, add := dst.table[k], src.table[k]
		at := append(path, k)
		switch {
		case have == nil:
			dst.table[k] = add
		case have.table != nil && add.table != nil && !named(at):
			merge(r, have, add, at)
		default:
			what, here, there := fmt.Sprintf("%q", strings.Join(at, ".")), add.name(), have.name()
			if add.table != nil {
				what, here = label(at), add.whole()
			}
			if have.table != nil {
				there = have.whole()
			}
			first, _, _ := there.resolve()
			r.fail(here, "keep one of them: a name belongs to one file", "%s is defined twice, first at %s", what, first)
		}
	}
}

// named tells whether the path leads to a table whose name the admin chose.
func named(path []string) bool {
	switch len(path) {
	case 2:
		return path[0] == "vip" || path[0] == "check" || path[0] == "hook" || path[0] == "backend"
	case 3:
		return path[0] == "bgp" && (path[1] == "peer" || path[1] == "role")
	}
	return false
}

// label writes the header of the table at path.
func label(path []string) string {
	names := slices.Clone(path)
	for i, n := range names {
		if n == "" || strings.ContainsFunc(n, func(c rune) bool { return c > 'z' || !isBareKey(byte(c)) }) {
			names[i] = fmt.Sprintf("%q", n)
		}
	}
	return "[" + strings.Join(names, ".") + "]"
}
