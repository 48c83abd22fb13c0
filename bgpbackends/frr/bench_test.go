package frr

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/contrib/lab/rs"
	"github.com/stentor-net/stentor/plugins"
)

// BenchmarkStart is the time from the start of a change to the first UPDATE at
// the peer: the same lines in frr.conf at FRR's own start, typed into vtysh, and
// by us. -benchtime 5x gives the median of five.
func BenchmarkStart(b *testing.B) {
	for name, give := range map[string]func(r *rig, want plugins.Speaker){
		"stentor":     func(r *rig, want plugins.Speaker) { r.apply(want) },
		"vtysh typed": func(r *rig, want plugins.Speaker) { r.typed() },
		"vtysh -b":    func(r *rig, want plugins.Speaker) { r.boot() },
		// The last two with the start of bgpd.
		"frr.service": func(r *rig, want plugins.Speaker) { r.startDaemon(bgpdName); r.boot() },
		"bgpd.conf": func(r *rig, want plugins.Speaker) {
			os.Rename(r.frr.conf, filepath.Join(r.frr.dir, "empty.conf"))
			r.startDaemon(bgpdName)
		},
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for range b.N {
				r := newRig(b, ownFRR, lab.Embedded, 2, operator)
				// Until then FRR starts no session, whoever configures it.
				r.until("the operator's session", func() (bool, any) {
					s, err := r.Sessions(r.ctx, "rs2")
					return err == nil && len(s) > 0 && s[0].State == plugins.StateEstablished, s
				})
				want := r.onlyRS1(announce(vipA, primary))
				r.pretend(want)
				if name == "frr.service" || name == "bgpd.conf" {
					r.running[bgpdName].Kill(r.ctx)
				}
				began := time.Now()
				give(r, want)
				r.route("rs1", vipA, withRole(primary))
				first := slices.IndexFunc(r.events("rs1"), func(e rs.Event) bool { return e.Kind == rs.Update })
				took = append(took, r.events("rs1")[first].Time.Sub(began))
			}
			slices.Sort(took)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms")
		})
	}
}

// pretend writes what Apply would do as an operator's frr.conf.
func (r *rig) pretend(want plugins.Speaker) {
	r.Helper()
	j, err := r.b.prepare(r.ctx, want)
	if err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(r.frr.conf, []byte(operator+j.changes.all().String()), 0o644); err != nil {
		r.Fatal(err)
	}
}

// typed gives vtysh the same lines as somebody at a keyboard, who is fast.
func (r *rig) typed() {
	r.Helper()
	text, err := os.ReadFile(r.frr.conf)
	if err != nil {
		r.Fatal(err)
	}
	in := filepath.Join(r.TempDir(), "typed")
	if err := os.WriteFile(in, append([]byte("configure terminal\n"), text[len(operator):]...), 0o644); err != nil {
		r.Fatal(err)
	}
	cmd := r.shell()
	if cmd.Stdin, err = os.Open(in); err != nil {
		r.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		r.Fatalf("vtysh: %v: %s", err, out)
	}
}

// BenchmarkChange is the time until the peer sees another role, and a
// withdrawal; beside them the cost of a vtysh that does nothing.
func BenchmarkChange(b *testing.B) {
	r := newRig(b, ownFRR, lab.Embedded, 1, operator)
	last := primary
	r.apply(r.onlyRS1(announce(vipA, last)))
	r.route("rs1", vipA, withRole(last))
	var role, withdrawn, vtysh []time.Duration
	for range b.N {
		last ^= primary ^ secondary
		began := time.Now()
		r.apply(r.onlyRS1(announce(vipA, last)))
		r.route("rs1", vipA, withRole(last))
		role = append(role, of(r.events("rs1"), vipA, began)[0].Time.Sub(began))

		began = time.Now()
		r.apply(r.onlyRS1())
		r.gone("rs1", vipA)
		withdrawn = append(withdrawn, of(r.events("rs1"), vipA, began)[0].Time.Sub(began))
		r.apply(r.onlyRS1(announce(vipA, last)))
		r.route("rs1", vipA, withRole(last))

		began = time.Now()
		r.vtysh("show daemons")
		vtysh = append(vtysh, time.Since(began))
	}
	b.ReportMetric(0, "ns/op")
	for unit, took := range map[string][]time.Duration{"ms/role": role, "ms/withdrawal": withdrawn, "ms/vtysh": vtysh} {
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Milliseconds()), unit)
	}
}
