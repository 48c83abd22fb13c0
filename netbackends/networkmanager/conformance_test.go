package networkmanager

import (
	"context"
	"log/slog"
	"os/exec"
	"testing"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// hasDummy tells whether the kernel makes dummy devices.
func (r *rig) hasDummy() bool {
	ok := false
	r.ns.Do(func() { ok = exec.Command("ip", "link", "add", "probe", "type", "dummy").Run() == nil })
	if ok {
		r.ns.IP("link del probe")
	}
	return ok
}

func TestConformance(t *testing.T) {
	for _, d := range []device{dummy, vxlan, loopback} {
		t.Run(d.kind, func(t *testing.T) {
			r := newRig(t)
			if d.link == loopback.link && !r.version().atLeast(loopbackSince) {
				return // TestLoopback has it
			}
			if d.kind == dummy.kind && !r.hasDummy() {
				return // TestDummy has it, and vxlan stands in
			}
			under := plugintest.Net{
				Open: func() (plugins.NetBackend, error) {
					b := New(slog.New(slog.DiscardHandler), &detect.Glance{})
					b.device = d
					return b, nil
				},
				Dirs:   []string{r.dir + "/profiles"},
				Inside: r.ns.Do,
			}
			plugintest.RunNet(context.Background(), under, func(result plugintest.Result) {
				if result.Err != nil {
					t.Errorf("%s (%s): %v", result.Case, result.Promise, result.Err)
				}
			})
			r.loStands()
		})
	}
}
