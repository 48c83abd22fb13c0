package hosts_test

import (
	"context"
	"strings"
	"testing"
)

// TestLife leads a host with each stack through what happens to one: the first
// apply, changes, mishaps, reboots, and the end of Stentor on it.
func TestLife(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		ctx := context.Background()
		r.step(t, "first apply", func(r *rig) {
			r.config(web, dns)
			r.stentor(0, "apply")
			r.holds(web, dns)
		})
		r.step(t, "a /64 is no connected route", func(r *rig) {
			if out := r.do("ip -6 route show; ip -6 route show table local"); strings.Contains(out, "2001:db8:e001:1b8c::/") {
				r.t.Errorf("the host can reach no other address of the prefix:\n%s", out)
			}
		})
		r.step(t, "second apply", func(r *rig) {
			r.quiet(func() { r.stentor(0, "apply") })
			if p := r.pending(); len(p) > 0 {
				r.t.Errorf("diff shows %q", p)
			}
		})
		r.step(t, "taken away by hand", func(r *rig) {
			before := r.files()
			r.do("ip address del " + web + "/32 dev $(ip -o -4 address show | grep -F ' " + web + "/' | cut -d' ' -f2)")
			if len(r.pending()) == 0 {
				r.t.Errorf("diff shows nothing, and %s is gone", web)
			}
			r.stentor(0, "apply")
			r.holds(web, dns)
			if diff := changed(before, r.files()); len(diff) > 0 {
				r.t.Errorf("files were written for it: %q", diff)
			}
		})
		r.step(t, "change", func(r *rig) {
			r.config(api, dns)
			r.stentor(0, "apply")
			r.holds(api, dns)
		})
		if r.own != "" {
			r.step(t, "the stack's own command", func(r *rig) {
				r.unwatched(func() {
					r.do(r.own)
					r.settle()
				})
				if r.persists() {
					r.holds(api, dns)
				} else {
					r.stentor(0, "apply")
					r.holds(api, dns)
				}
			})
		}
		r.step(t, "reboot", func(r *rig) {
			r.unwatched(func() {
				if err := r.host.Reboot(ctx); err != nil {
					r.t.Fatal(err)
				}
			})
			if r.persists() {
				r.settled(api, dns)
			}
			r.stentor(0, "apply")
			r.holds(api, dns)
		})
		r.step(t, "the end", func(r *rig) {
			r.config()
			r.stentor(0, "apply")
			r.holds()
			r.untraced()
			r.quiet(func() { r.stentor(0, "apply") })
		})
		r.step(t, "reboot after the end", func(r *rig) {
			r.unwatched(func() {
				if err := r.host.PowerCut(ctx); err != nil {
					r.t.Fatal(err)
				}
				if err := r.host.Start(ctx); err != nil {
					r.t.Fatal(err)
				}
			})
			r.holds()
			r.untraced()
		})
	})
}
