package bird

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestUnified: patch(1) makes the one file out of the other with our diff.
func TestUnified(t *testing.T) {
	if _, err := exec.LookPath("patch"); err != nil {
		t.Skipf("needs patch: %v", err)
	}
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		file := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "}", "", "{"}), 0, 20)
		before, after := file.Draw(t, "before"), file.Draw(t, "after")
		text := func(l []string) []byte {
			if len(l) == 0 {
				return nil
			}
			return []byte(strings.Join(l, "\n") + "\n")
		}
		path := filepath.Join(dir, "file")
		diff := unified(path, text(before), text(after))
		if diff == "" {
			if strings.Join(before, "\n") != strings.Join(after, "\n") {
				t.Fatalf("no diff of %q and %q", before, after)
			}
			return
		}
		if err := os.WriteFile(path, text(before), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("patch", "-s", "-p0", "-d", "/", "--posix")
		cmd.Stdin = strings.NewReader(diff)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("patch: %v: %s\n%s", err, out, diff)
		}
		if got, _ := os.ReadFile(path); string(got) != string(text(after)) {
			t.Fatalf("patch made %q of %q, want %q\n%s", got, before, after, diff)
		}
	})
}

func TestOnlyWithdraws(t *testing.T) {
	const all = "define stentor_revision = \"1\";\nprotocol static {\n\troute 198.18.0.1/32 blackhole;\n\troute 198.18.0.2/32 blackhole;\n}\nend\n"
	for name, c := range map[string]struct {
		before, after string
		want          bool
	}{
		"one gone":   {all, strings.Replace(all, "\troute 198.18.0.1/32 blackhole;\n", "", 1), true},
		"last gone":  {all, strings.Replace(all, "\troute 198.18.0.2/32 blackhole;\n", "", 1), true},
		"the same":   {all, strings.Replace(all, "\"1\"", "\"2\"", 1), true},
		"one new":    {strings.Replace(all, "\troute 198.18.0.1/32 blackhole;\n", "", 1), all, false},
		"changed":    {all, strings.Replace(all, "blackhole", "unreachable", 1), false},
		"other line": {all, strings.Replace(all, "end\n", "", 1), false},
		"from none":  {"", all, false},
	} {
		if got := onlyWithdraws([]byte(c.before), []byte(c.after)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMask(t *testing.T) {
	for _, text := range []string{"\tpassword \"secret\";\n", "password \"a;secret\" ; x\n", "   password 'secret\n", "password\t\"secret\";\n", "a; password \"secret\";\n", "password\n \"secret\";\n"} {
		if got := string(mask([]byte(text))); strings.Contains(got, "secret") {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}
