package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestChecksOfTheHost compares the codes in the code with those in the guide.
// They are constants of a type called Code, and no finding is without one.
func TestChecksOfTheHost(t *testing.T) {
	text, err := os.ReadFile("checks-of-the-host.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\|[^|]+\\|[^|]+\\|$").FindAllStringSubmatch(string(text), -1) {
		if documented[m[1]] {
			t.Errorf("%s stands twice in the guide", m[1])
		}
		documented[m[1]] = true
	}
	used := map[string]string{}
	for _, dir := range []string{"../../core/doctor", "../../netbackends", "../../bgpbackends/bird", "../../bgpbackends/frr", "../../bgpbackends/internal", "../../cmd/stentor"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			codes(t, path, used)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(used) < 60 {
		t.Fatalf("found only %d codes", len(used))
	}
	for code, path := range used {
		if !documented[code] {
			t.Errorf("%s: %q is not in the guide", path, code)
		}
	}
	for code := range documented {
		if used[code] == "" {
			t.Errorf("the guide has %q, and no code", code)
		}
	}
}

// codes notes the constants of type Code in a file, and complains of findings
// of backends that have none.
func codes(t *testing.T, path string, used map[string]string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if isNamed(n.Type, "Code") && len(n.Values) == 1 {
				if lit, ok := n.Values[0].(*ast.BasicLit); ok {
					code, _ := strconv.Unquote(lit.Value) // it is Go's own
					used[code] = path
				}
			}
		case *ast.CompositeLit:
			// One that is filled in later begins with less.
			if !isNamed(n.Type, "Finding") || len(n.Elts) < 5 {
				return true
			}
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); !ok || isNamed(kv.Key, "Code") {
					return true
				}
			}
			if strings.Contains(path, "backends") || strings.HasSuffix(path, "check.go") {
				t.Errorf("%s: a finding without a code", set.Position(n.Pos()))
			}
		}
		return true
	})
}

// isNamed tells NAME and PACKAGE.NAME.
func isNamed(e ast.Expr, name string) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == name
	case *ast.SelectorExpr:
		return e.Sel.Name == name
	}
	return false
}
