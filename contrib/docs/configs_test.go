package docs

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExamples holds every example to `stentor check --offline`, and to saying
// first for whom it is.
func TestExamples(t *testing.T) {
	t.Parallel()
	const examples = "../examples"
	listed := strings.Join(lines(t, filepath.Join(examples, "README.md")), "\n")
	found := 0
	err := filepath.WalkDir(examples, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".toml" {
			return err
		}
		found++
		if name, _ := filepath.Rel(examples, path); !strings.Contains(listed, "]("+name+")") {
			t.Errorf("%s is not in README.md", path)
		}
		head := lines(t, path)
		for i, line := range head[:2] {
			if !strings.HasPrefix(line, "# ") {
				t.Errorf("%s:%d: want a comment of a few lines that says for whom it is", path, i+1)
			}
		}
		if filepath.Base(filepath.Dir(path)) == "conf.d" {
			return nil // checked with the file that it belongs to
		}
		check(t, path, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 15 {
		t.Errorf("%d examples only", found)
	}
}

// TestBlocks holds the TOML in the documents to the same. What is a part of a
// config is completed first.
func TestBlocks(t *testing.T) {
	t.Parallel()
	found := 0
	for _, document := range markdown(t) {
		if filepath.Base(document) == "writing-a-backend.md" {
			continue // it names a backend that is yet to be written
		}
		for _, b := range blocks(t, document) {
			text := strings.Join(b.lines, "\n") + "\n"
			if b.language != "toml" {
				continue
			}
			found++
			path := filepath.Join(t.TempDir(), "stentor.toml")
			if err := os.WriteFile(path, []byte(complete(text)), 0o644); err != nil {
				t.Fatal(err)
			}
			check(t, fmt.Sprintf("%s:%d", document, b.line), path)
		}
	}
	if found < 15 {
		t.Errorf("%d blocks only", found)
	}
}

// check runs the program on a config, which it must find nothing wrong with.
func check(t *testing.T, name, path string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "stentor", "check", "--offline", "--config", path).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "config: ") {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
}

// What a part of a config names, and what it defines.
var (
	vipOfCheck = regexp.MustCompile(`(?m)^\[vip\.([a-z]+)\.check\.`)
	checkTable = regexp.MustCompile(`(?m)^\[check\.([a-z]+)\]`)
	checksKey  = regexp.MustCompile(`(?m)^checks\s+= \["([a-z]+)"`)
)

// complete adds what a part of a config lacks: a VIP, somebody to tell, checks
// that it names, and a VIP for a check.
func complete(text string) string {
	has := func(pattern string) bool { return regexp.MustCompile(`(?m)^` + pattern).MatchString(text) }
	if !has(`\[bgp\]`) {
		text += "[bgp]\nasn = 65010\n"
	} else if !has(`(asn|provider)\s+=`) {
		text = strings.Replace(text, "[bgp]\n", "[bgp]\nasn = 65010\n", 1)
	}
	if !has(`provider\s+=|\[bgp\.peer\.`) {
		text += "[bgp.peer.tor1]\naddress = \"192.0.2.1\"\nasn = 64512\n"
	}
	vip := func(name, more string) {
		text += fmt.Sprintf("[vip.%s]\naddress = \"198.51.100.53/32\"\nrole = \"primary\"\n%s", name, more)
	}
	if m := vipOfCheck.FindStringSubmatch(text); m != nil && !has(`\[vip\.`+m[1]+`\]`) {
		vip(m[1], "")
	} else if m := checkTable.FindStringSubmatch(text); m != nil && !has(`checks\s+=`) {
		vip("checked", fmt.Sprintf("checks = [%q]\n", m[1]))
	} else if !has(`\[vip\.`) {
		vip("any", "")
	}
	if m := checksKey.FindStringSubmatch(text); m != nil && !has(`\[check\.`+m[1]+`\]`) {
		text += fmt.Sprintf("[check.%s]\nfile = \"/run/ready\"\n", m[1])
	}
	return text
}
