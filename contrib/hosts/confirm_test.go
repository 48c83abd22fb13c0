package hosts_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// TestConfirm puts configs on trial on each stack: one that is confirmed, and
// some that nobody can confirm any more.
func TestConfirm(t *testing.T) {
	on(t, once(selected(t)), func(t *testing.T, r *rig) {
		r.step(t, "confirmed", func(r *rig) {
			r.begin()
			r.config(api, dns)
			r.stentor(0, "apply --confirm 60s")
			r.holds(api, dns)
			r.stentor(0, "confirm")
			r.stentor(3, "confirm")
			r.quiet(func() { r.stentor(0, "apply") })
			r.holds(api, dns)
		})
		r.step(t, "the session ends", func(r *rig) {
			r.rolledBack(func() {
				r.do("setsid -w sh -c 'stentor apply --confirm 12s; kill -9 0' || true")
				r.holds(web)
			})
		})
		r.step(t, "everything is killed", func(r *rig) {
			r.rolledBack(func() {
				r.stentor(0, "apply --confirm 10s")
				r.holds(web)
				r.unwatched(func() {
					r.killAll()
					if r.profile == hosts.NM || r.profile == hosts.NetplanNM {
						r.do(r.own)
						r.settle()
					}
				})
			})
		})
		r.step(t, "everything is killed, with a daemon", func(r *rig) {
			r.config(api, dns)
			r.do("systemd-run --quiet --collect --unit=daemon stentor run")
			r.eventually("the daemon answers", func() bool {
				res, err := r.host.Exec(context.Background(), "stentor status")
				return err == nil && res.Code == 4 // its peer does not
			})
			r.stentor(0, "apply") // it is done with what it found
			r.rolledBack(func() {
				length := "10s"
				if r.profile == hosts.Ifupdown2 {
					length = "30s" // each look of its Python takes seconds on a busy machine
				}
				r.stentor(0, "apply --confirm "+length)
				r.holds(web)
				r.killAll()
			})
		})
		if r.persists() {
			r.step(t, "a reboot", func(r *rig) {
				r.config(web, dns)
				r.stentor(0, "apply")
				r.rolledBack(func() {
					r.stentor(0, "apply --confirm 20s")
					r.holds(web)
					r.unwatched(func() {
						if err := r.host.Reboot(context.Background()); err != nil {
							r.t.Fatal(err)
						}
					})
					r.stentor(3, "apply") // whoever comes first sees to a new guard
				})
			})
		}
		r.step(t, "the end", func(r *rig) { r.end() })
	})
}

// rolledBack has a config with web alone put on trial by try, and expects all
// to be as it was when nobody confirms it.
func (r *rig) rolledBack(try func()) {
	r.t.Helper()
	addrs, files := r.addresses(), r.files()
	r.config(web)
	try()
	r.eventually("it is rolled back", func() bool {
		raw, err := r.host.Get("/var/lib/stentor/trial.json")
		if err != nil {
			return false
		}
		var trial struct {
			RolledBack time.Time `json:"rolled_back"`
		}
		return json.Unmarshal(raw, &trial) == nil && !trial.RolledBack.IsZero()
	})
	if d := cmp.Diff(addrs, r.addresses(), asSet); d != "" {
		r.t.Errorf("addresses (-before +after):\n%s", d)
	}
	now := r.files()
	for _, path := range changed(files, now) {
		if files[path].File != now[path].File {
			r.t.Errorf("%s is not what it was before the trial:\n%s", path, cmp.Diff(files[path].File, now[path].File))
		}
	}
	r.stentor(3, "confirm")
}

// asSet: the kernel keeps addresses in the order of their coming.
var asSet = cmp.Transformer("sort", func(in []string) []string {
	return slices.Sorted(slices.Values(in))
})

// killAll kills every process of ours on the host, the guard among them.
func (r *rig) killAll() {
	r.t.Helper()
	r.do(`for p in /proc/[0-9]*; do [ "$(readlink $p/exe)" = /usr/local/bin/stentor ] && kill -9 ${p#/proc/}; done; true`)
}

func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.After(60 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			r.t.Fatalf("not so after a minute: %s", what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
