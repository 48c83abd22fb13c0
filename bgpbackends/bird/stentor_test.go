package bird

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/contrib/lab"
)

// TestStentor runs the whole: stentor with this backend beside an operator's
// BIRD, from its start over a drain, a restart of BIRD and its own SIGKILL to
// its end. The route server is FRR.
func TestStentor(t *testing.T) {
	r := newRig(t, lab.FRR, 1)
	binary := filepath.Join(t.TempDir(), "stentor")
	build := exec.Command("go", "build", "-o", binary, "../../cmd/stentor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build stentor: %v\n%s", err, out)
	}
	conf := r.read(r.dir + "/bird.conf")
	r.write("stentor.toml", fmt.Sprintf(`[network]
backend = "iproute"
[bgp]
backend = "bird"
provider = "linode"
dcid = 10
router_id = "192.0.2.7"
[vip.web]
address = "198.18.0.1/32"
role = "primary"
[backend.bird]
socket = %q
include_dir = %q
`, r.socket(), r.includeDir()))
	args := func(verb ...string) []string {
		return append(append([]string{binary}, verb...), "--config", filepath.Join(r.dir, "stentor.toml"),
			"--socket", filepath.Join(r.dir, "s.sock"), "--state-dir", filepath.Join(r.dir, "state"))
	}
	start := func() *lab.Process {
		p, err := r.net.Start(lab.HostA, "stentor", args("run"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	run := func(verb ...string) string {
		out, err := r.net.Output(r.limit(patience), lab.HostA, args(verb...)...)
		if err != nil {
			return string(out) + err.Error()
		}
		return string(out)
	}
	// The one route server of the lab is rs1; the provider knows three more.
	says := func(what string, words ...string) {
		t.Helper()
		r.until(what, func() (bool, any) {
			status := run("status")
			for _, w := range words {
				if !strings.Contains(status, w) {
					return false, status
				}
			}
			return true, nil
		})
	}
	prefers := func(what string, pref uint32) {
		t.Helper()
		r.until(what, func() (bool, any) {
			routes, err := r.net.Routes(r.Context(), "rs1")
			if pref == 0 {
				return err == nil && len(routes) == 0, []any{routes, err}
			}
			return len(routes) == 1 && routes[0].LocalPref == pref, []any{routes, err}
		})
	}
	p := start()
	prefers("rs1 to have the primary's route", 200)
	says("status to tell of it", "announced 1/4", "rs1")

	p.Kill(r.limit(patience))
	prefers("the route to outlive stentor", 200)
	p = start()
	says("status of the next one", "announced 1/4")

	r.stopBIRD()
	says("status to tell that BIRD is gone", "BIRD is not running")
	r.startBIRD()
	says("status of the returned BIRD", "announced 1/4")
	prefers("the route to be back", 200)

	run("drain", "web")
	prefers("the drained route to be gone", 0)
	r.stopBIRD()
	r.startBIRD()
	before := r.operators()
	says("the session to be back", "rs1", "established")
	prefers("it to stay gone", 0)
	run("undrain", "web")
	prefers("the undrained route", 200)

	if err := p.Stop(r.limit(patience)); err != nil {
		t.Fatal(err)
	}
	prefers("the route to be withdrawn", 0)
	if files := r.files(); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
	r.untouched(before)
	if after := r.read(r.dir + "/bird.conf"); after != conf {
		t.Errorf("bird.conf is now\n%s", after)
	}
	if t.Failed() {
		t.Log(p.Tail(30))
	}
}
