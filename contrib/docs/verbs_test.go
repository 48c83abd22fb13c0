package docs

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestVerbs looks for each verb of the program in README's table.
func TestVerbs(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "stentor", "__complete", "").Output()
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Join(lines(t, "../../README.md"), "\n")
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^([a-z]+)\t`).FindAllStringSubmatch(string(out), -1) {
		verb := m[1]
		if verb == "help" || verb == "version" {
			continue // as everywhere
		}
		found++
		if !regexp.MustCompile("(?m)^\\| .*`" + verb + "[ `].* \\|").MatchString(told) {
			t.Errorf("README.md does not tell what %q does", verb)
		}
	}
	if found < 15 {
		t.Errorf("%d verbs only:\n%s", found, out)
	}
}
