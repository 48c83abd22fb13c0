package frr

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/plugins"
)

// cutter stands in for vtysh: the call with number cut executes only the first
// lines of its script, and every later one does nothing, as if the process
// that calls had been killed.
const cutter = `#!/bin/bash
n=$(($(cat %[1]s/calls) + 1))
echo $n >%[1]s/calls
[ $n -gt %[2]d ] && exit 9
[ $n -lt %[2]d ] && exec /usr/bin/vtysh "$@"
head -n %[3]d "${@: -1}" >%[1]s/half
/usr/bin/vtysh "${@:1:$#-1}" %[1]s/half >/dev/null 2>&1
exit 9
`

// TestCut kills Apply at each call of vtysh, with its script done in part: the
// next Apply ends where it should, and nothing of the operator's is lost.
func TestCut(t *testing.T) {
	r := newRig(t, lab.Embedded, 1, operator)
	before := r.config()
	first := r.speaker(announce(vipA, primary), announce(vipB, primary))
	other := r.speaker(announce(vipB, secondary))
	other.Peers[0].Hold, other.Peers[0].Password = other.Peers[0].Hold*2, "s3cret"
	changes := []struct {
		name     string
		from, to plugins.Speaker
	}{
		{"start", plugins.Speaker{}, first},
		{"change", first, other},
		{"end", other, plugins.Speaker{}},
	}
	for _, c := range changes {
		for cut, done := 1, false; !done; cut++ {
			for _, lines := range []int{0, 6, 25} {
				r.apply(c.from)
				left := r.cutOff(c.to, cut, lines)
				if done = !left; done {
					break // it needs fewer calls than that
				}
				r.b = r.newBackend(nil)
				r.apply(c.to)
				if p, err := r.b.Plan(r.ctx, c.to); err != nil || len(p.Steps) > 0 {
					t.Fatalf("%s, cut at call %d after %d lines: left to do: %+v, %v", c.name, cut, lines, p, err)
				}
				r.apply(plugins.Speaker{})
				if d := cmp.Diff(before, r.config()); d != "" {
					t.Fatalf("%s, cut at call %d after %d lines: traces:\n%s", c.name, cut, lines, d)
				}
			}
		}
	}
}

// cutOff runs an Apply with the cutter; false if it was done before the cut.
func (r *rig) cutOff(want plugins.Speaker, cut, lines int) bool {
	r.Helper()
	dir := r.TempDir()
	script := filepath.Join(dir, "vtysh")
	for name, text := range map[string]string{"vtysh": fmt.Sprintf(cutter, dir, cut, lines), "calls": "0"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			r.Fatal(err)
		}
	}
	return r.newBackend(map[string]any{"vtysh": script}).Apply(r.ctx, want) != nil
}
