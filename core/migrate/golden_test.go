package migrate

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/stentor-net/stentor/core/config"
)

var update = flag.Bool("update", false, "write what comes out as what is wanted")

// convert runs the reader of one program.
func convert(program, name string, text []byte) (Converted, error) {
	switch program {
	case "frr":
		return FRR(name, text, "/etc/stentor")
	case "bird":
		return BIRD(name, text, "/etc/stentor")
	}
	return Keepalived(name, text)
}

// TestConvert compares with testdata/PROGRAM-NAME.txtar: a configuration, the
// config that it becomes, and what stentor check says of that.
func TestConvert(t *testing.T) {
	files, err := filepath.Glob("testdata/*-*.txtar")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			program, _, _ := strings.Cut(filepath.Base(file), "-")
			done, err := convert(program, a.Files[0].Name, a.Files[0].Data)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(done.TOML, []byte("s3cret")) {
				t.Error("a password is in the config")
			}
			secrets := ""
			for _, s := range done.Secrets {
				secrets += fmt.Sprintf("%s line %d: %s\n", s.File, s.Line, s.Text)
			}
			got := []txtar.File{a.Files[0], {Name: "stentor.toml", Data: done.TOML}, {Name: "secrets", Data: []byte(secrets)}, {Name: "check", Data: []byte(check(done.TOML))}}
			if *update {
				if err := os.WriteFile(file, txtar.Format(&txtar.Archive{Files: got}), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(a.Files, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// check is what `stentor check --offline` says of a config.
func check(text []byte) string {
	_, warnings, err := config.LoadTexts([]config.File{{Path: "stentor.toml", Text: string(text)}}, config.Options{Offline: true})
	var out strings.Builder
	var invalid *config.Invalid
	if errors.As(err, &invalid) {
		warnings = invalid.Findings
	} else if err != nil {
		return err.Error() + "\n"
	}
	for _, f := range warnings {
		fmt.Fprintf(&out, "%s: %s: %s\n", f.Pos, f.Severity, f.Msg)
	}
	return out.String()
}

// TestSamples has the programs' own parsers read the samples: they are what
// people have, not what the readers here would like.
func TestSamples(t *testing.T) {
	parsers := map[string][]string{"frr": {"vtysh", "-C", "-f"}, "bird": {"bird", "-p", "-c"}}
	for program, parser := range parsers {
		files, err := filepath.Glob("testdata/" + program + "-*.txtar")
		if err != nil || len(files) == 0 {
			t.Fatalf("no samples of %s: %v", program, err)
		}
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) {
				if _, err := exec.LookPath(parser[0]); err != nil {
					t.Skipf("%s is not installed", parser[0])
				}
				a, err := txtar.ParseFile(file)
				if err != nil {
					t.Fatal(err)
				}
				sample := filepath.Join(t.TempDir(), "sample.conf")
				if err := os.WriteFile(sample, a.Files[0].Data, 0o644); err != nil {
					t.Fatal(err)
				}
				if out, err := exec.CommandContext(t.Context(), parser[0], append(parser[1:], sample)...).CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ program, text, want string }{
		{"frr", "hostname a\n", `x.conf has no "router bgp NUMBER"`},
		{"frr", "router bgp 65001 vrf blue\n", `x.conf has no "router bgp NUMBER"`},
		{"frr", "router bgp\n", `x.conf has no "router bgp NUMBER"`},
		{"bird", "protocol static { }", `x.conf has no "protocol bgp"`},
		{"bird", "protocol bgp a {\n", "x.conf:1: a { without its }"},
		{"bird", "\n}\n", "x.conf:2: a } without its {"},
		{"bird", strings.Repeat("a {", 100), "x.conf:1: blocks stand more than 64 deep"},
		{"bird", defines(8), "too large"},
		{"keepalived", "vrrp_script a {\n", "x.conf:1: a { without its }"},
	} {
		_, err := convert(c.program, "x.conf", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.40q: %v, want %q", c.program, c.text, err, c.want)
		}
	}
}

// defines name each other, each ten times the one before.
func defines(n int) string {
	text := "define a = 1 1 1 1 1 1 1 1 1 1;"
	for i := range n {
		text += fmt.Sprintf("define %c =%s;", 'b'+i, strings.Repeat(fmt.Sprintf(" %c", 'a'+i), 10))
	}
	return text
}
