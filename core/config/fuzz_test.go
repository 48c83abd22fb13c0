package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

// addSeeds adds every file under testdata and the reference.
func addSeeds(f *testing.F) {
	f.Helper()
	f.Add([]byte(Reference))
	f.Add([]byte(wholeReference()))
	files, err := filepath.Glob("testdata/*/*/*.toml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{
		"[[a]]\nb = 1\n[[a]]\n[a.c]\nd = [{e = 1, \"f.g\" = [[{h = 2}]]}]\n",
		"a = \"\"\"x\"\"\"\"\"\nb = '''y''''\nc = \"\"\"\\\n  z \\\"\"\"\"\n",
		"a.b.\"c d\".'e' = 1979-05-27 07:32:00Z # x\nf = 07:32:00\n",
		"a = {b = 1, # c\n d.e = 2,\n}\n\"\\u00e9\\x41\\e\" = 1\n",
		"a = [1, [2, [], {}], \"]\", # ]\n]\nb = +inf\nc = -0x1\n",
	} {
		f.Add([]byte(s))
	}
}

// FuzzIndex: whatever the TOML parser takes, the scanner takes, and each key
// and each array element has a position that lies in the file.
func FuzzIndex(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, p := scan(data)
		if p != nil {
			if p.at.start < 0 || p.at.end < p.at.start || p.at.end > len(data)+1 {
				t.Errorf("%+v is not in the file", p)
			}
			if badBytes(data) == nil && len(data) < 1000 && !ourLimit(p.msg) {
				if tree, err := decode(data); err == nil {
					t.Errorf("the parser takes %v, and the scanner says %+v", tree, p)
				}
			}
			return
		}
		tree, err := decode(data)
		if err != nil || len(s.twice) > 0 {
			return
		}
		if d := depth(tree); d > maxDepth {
			t.Errorf("%d levels passed the limit", d)
		}
		checkNodes(t, s, tree, s.root)
	})
}

func ourLimit(msg string) bool {
	return msg == tooDeep(span{}).msg || msg == "this key with its tables is longer than 256 bytes"
}

func checkNodes(t *testing.T, s *scanner, data any, n *node) {
	t.Helper()
	inFile := func(at span) bool { return at.start >= 0 && at.start < at.end && at.end <= len(s.data) }
	elem := func(i int, e any) {
		if i >= len(n.elems) {
			t.Errorf("element %d has no position", i)
			return
		}
		checkNodes(t, s, e, n.elems[i])
	}
	switch d := data.(type) {
	case map[string]any:
		for k, e := range d {
			c := n.keys[k]
			if c == nil {
				t.Errorf("key %q has no position", k)
				continue
			}
			if !inFile(c.key) || !inFile(c.val) {
				t.Errorf("key %q is at %v, value at %v", k, c.key, c.val)
			}
			checkNodes(t, s, e, c)
		}
	case []any:
		for i, e := range d {
			elem(i, e)
		}
	case []map[string]any:
		for i, e := range d {
			elem(i, e)
		}
	}
}

func depth(data any) int {
	deepest := 0
	switch d := data.(type) {
	case map[string]any:
		for _, e := range d {
			deepest = max(deepest, 1+depth(e))
		}
	case []any:
		for _, e := range d {
			deepest = max(deepest, 1+depth(e))
		}
	case []map[string]any:
		for _, e := range d {
			deepest = max(deepest, 1+depth(e))
		}
	}
	return deepest
}

// FuzzLoad: any bytes end in a config or in findings that can be drawn.
func FuzzLoad(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		main := newSource("main.toml", []byte("[bgp]\nasn = 65001\n[vip.web]\naddress = \"203.0.113.10/32\"\nrole = \"primary\"\n"))
		fuzzed := newSource("fuzz.toml", data)
		fuzzed.order = 1
		for _, sources := range [][]*source{{fuzzed}, {main, fuzzed}} {
			cfg, findings, err := load(&report{}, sources, testOptions())
			var invalid *Invalid
			switch {
			case err == nil:
				if cfg == nil {
					t.Fatal("neither a config nor an error")
				}
			case !errors.As(err, &invalid):
				t.Fatalf("%T: %v", err, err)
			default:
				findings = invalid.Findings
			}
			if len(findings) > maxFindings {
				t.Errorf("%d findings", len(findings))
			}
			for _, f := range findings {
				if !utf8.ValidString(f.String()) {
					t.Errorf("%q is not UTF-8", f.String())
				}
				if f.File == "" || f.Msg == "" {
					t.Errorf("%+v", f)
				}
			}
		}
	})
}
