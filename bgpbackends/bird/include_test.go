package bird

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestScanIncludes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"plain", `include "/run/stentor*.conf";`, []string{"/run/stentor*.conf"}},
		{"spaces", "\t include\t\"a.conf\" ;\n", []string{"a.conf"}},
		{"after others", "router id 1.2.3.4;\ninclude \"a\";\ninclude \"b\";\n", []string{"a", "b"}},
		{"not at the beginning of a line", `log stderr all; include "a";`, nil},
		{"hash comment", "# include \"a\";\n", nil},
		{"block comment", "/*\ninclude \"a\";\n*/\ninclude \"b\";\n", []string{"b"}},
		{"block comment without an end", "/*\ninclude \"a\";\n", nil},
		{"hash ends with the line", "# /*\ninclude \"a\";\n", []string{"a"}},
		{"string with a hash", "define x = \"#\"; /* include */\ninclude \"a\";\n", []string{"a"}},
		{"string with a brace", "define x = \"{\";\ninclude \"a\";\n", []string{"a"}},
		{"in braces", "protocol bgp {\ninclude \"a\";\n}\ninclude \"b\";\n", []string{"b"}},
		{"no semicolon", "include \"a\"\n", nil},
		{"no string", "include a;\n", nil},
		{"another word", "includes \"a\";\n", nil},
		{"string without an end", "include \"a\n\";\ninclude \"b\";", []string{"b"}},
	} {
		if got := scanIncludes(c.text); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestIncludes: patterns are followed into files, and are relative to the file
// that they stand in.
func TestIncludes(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"bird.conf":    "include \"parts/*.conf\";\ninclude \"missing.conf\";\n",
		"parts/a.conf": "include \"../more/*\";\n",
		"parts/b.conf": "include \"/abs/*.conf\";\n",
		"loop.conf":    "include \"loop.conf\";\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w, err := includes(filepath.Join(dir, "bird.conf"))
	got := w.patterns
	want := []string{dir + "/parts/*.conf", dir + "/more/*", "/abs/*.conf", dir + "/missing.conf"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("includes: %q, %v; want %q", got, err, want)
	}
	if _, err := includes(filepath.Join(dir, "loop.conf")); err != nil {
		t.Errorf("a file that includes itself: %v", err)
	}
}

func FuzzScanIncludes(f *testing.F) {
	f.Add("include \"a\";\n/* x */ # y\nprotocol { }\n")
	f.Add("\"\ninclude\"\";}{")
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range scanIncludes(text) {
			if len(p) > len(text) {
				t.Errorf("found %q in %q", p, text)
			}
		}
	})
}
