package hosts_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// guide is how people put a shared IP on lo by hand, as vendors tell them to:
// the file, and what they add to it. It is of no stack without files.
func (r *rig) guide() (name string, f hosts.File, ok bool) {
	switch r.backend {
	case "netplan":
		return "/etc/netplan/01-netcfg.yaml", hosts.File{Mode: 0o600, Content: "network:\n  version: 2\n  ethernets:\n" +
			"    lo:\n      match:\n        name: lo\n      addresses:\n      - " + web + "/32\n"}, true
	case "networkd":
		return "/etc/systemd/network/30-lo.network", hosts.File{Mode: 0o644, Content: "[Match]\nName=lo\n\n[Network]\nAddress=" + web + "/32\n"}, true
	case "ifupdown":
		f := r.first["/etc/network/interfaces"].File
		f.Content += "\niface lo inet static\n    address " + web + "/32\n"
		return "/etc/network/interfaces", f, true
	}
	return "", hosts.File{}, false
}

// TestAdopt takes over a host that was set up by hand. What a file of
// somebody's brings to lo is used, is not doubled in a file of ours, and does
// not go with us; when the file goes, it becomes ours.
func TestAdopt(t *testing.T) {
	on(t, once(selected(t)), func(t *testing.T, r *rig) {
		name, stanza, ok := r.guide()
		if !ok {
			return // TestTraps adopts there, without files
		}
		was, existed := r.first[name]
		unwrite := func() {
			if existed {
				r.edit(name, was.File)
			} else {
				r.forget(name)
			}
		}
		reboot := func(r *rig) {
			r.unwatched(func() {
				if err := r.host.Reboot(context.Background()); err != nil {
					r.t.Fatal(err)
				}
			})
		}

		r.edit(name, stanza)
		r.step(t, "set up by the guide", func(r *rig) {
			reboot(r)
			r.settled(web)
		})
		r.step(t, "adopted", func(r *rig) {
			r.config(web, dns)
			r.keeps(web, func() { r.stentor(0, "apply") })
			r.adopted(name)
			r.quiet(func() { r.stentor(0, "apply") })
		})
		r.step(t, "adopted after a reboot", func(r *rig) {
			reboot(r)
			r.settled(web, dns)
			r.stentor(0, "apply")
			r.adopted(name)
		})
		r.step(t, "it stays without us", func(r *rig) {
			r.keeps(web, r.end0)
			r.holds(web)
		})
		r.step(t, "not up at the moment", func(r *rig) {
			r.do("ip address del " + web + "/32 dev lo")
			r.config(web, dns)
			r.stentor(0, "apply")
			r.adopted(name)
			r.keeps(web, r.end0)
			r.holds(web)
		})
		r.step(t, "adopted again", func(r *rig) {
			r.config(web, dns)
			r.stentor(0, "apply")
			r.adopted(name)
		})
		unwrite()
		r.step(t, "handed over", func(r *rig) {
			if p := r.pending(); len(p) == 0 {
				r.t.Error("diff shows nothing, and nobody's file has the address")
			}
			r.keeps(web, func() { r.stentor(0, "apply") })
			r.owned(web, dns)
			reboot(r)
			r.settled(web, dns)
			r.owned(web, dns)
		})
		r.edit(name, stanza)
		r.step(t, "handed back", func(r *rig) {
			r.keeps(web, func() { r.stentor(0, "apply") })
			r.adopted(name)
		})
		unwrite()
		r.step(t, "handed over to a daemon", func(r *rig) {
			r.do("systemd-run -q --unit stentor-test --service-type notify stentor run")
			r.keeps(web, func() { r.stentor(0, "apply") })
			if r.written(web) == "" {
				r.t.Errorf("apply is done, and no file of ours has %s", web)
			}
			r.do("systemctl stop stentor-test")
			r.owned(web, dns)
		})
		r.edit(name, stanza)
		r.step(t, "handed back once more", func(r *rig) {
			r.stentor(0, "apply")
			r.adopted(name)
		})
		unwrite()
		r.step(t, "gone with a reboot", func(r *rig) {
			left := []string{dns}
			if r.backend == "networkd" {
				// Ours was a drop-in of theirs.
				left = nil
				if out := r.stentor(0, "check"); !strings.Contains(out, "50-stentor.conf: networkd does not read this drop-in") {
					r.t.Errorf("check does not tell that the file is gone:\n%s", out)
				}
			}
			reboot(r)
			r.settled(left...)
			r.stentor(0, "apply")
			r.owned(web, dns)
		})
		r.step(t, "the end", func(r *rig) {
			r.end0()
			r.holds()
			r.untraced()
		})
	})
}

// end0 takes all VIPs out of the config.
func (r *rig) end0() {
	r.t.Helper()
	r.config()
	r.stentor(0, "apply")
}

// adopted expects both VIPs on the host, the one of the file at name there
// alone, and that diff and check know.
func (r *rig) adopted(name string) {
	r.t.Helper()
	r.holds(web, dns)
	if in := r.written(web); in != "" {
		r.t.Errorf("%s is written a second time:\n%s", web, in)
	}
	if r.written(dns) == "" {
		r.t.Errorf("no file of ours has %s", dns)
	}
	if p := r.pending(); len(p) > 0 {
		r.t.Errorf("diff shows %q", p)
	}
	out := r.stentor(0, "check")
	if want := "note: vip web: " + name + ":"; !strings.Contains(out, want) || !strings.Contains(out, "(adopted)") {
		r.t.Errorf("check does not say %q and (adopted):\n%s", want, out)
	}
}

// owned expects the addresses on the host and in files of ours.
func (r *rig) owned(addrs ...string) {
	r.t.Helper()
	r.holds(addrs...)
	for _, a := range addrs {
		if r.written(a) == "" {
			r.t.Errorf("no file of ours has %s", a)
		}
	}
	if p := r.pending(); len(p) > 0 {
		r.t.Errorf("diff shows %q", p)
	}
	if out := r.stentor(0, "check"); strings.Contains(out, "adopted") {
		r.t.Errorf("check still takes an address for adopted:\n%s", out)
	}
}

// written gives the file of ours that names addr.
func (r *rig) written(addr string) string {
	r.t.Helper()
	files := r.files()
	for _, path := range r.ours() {
		if strings.Contains(files[path].Content, addr+"/") {
			return path + "\n" + files[path].Content
		}
	}
	return ""
}

// keeps expects that addr, which is on lo, is there all the time that f runs.
func (r *rig) keeps(addr string, f func()) {
	r.t.Helper()
	ctx := context.Background()
	before, err := r.record.Events(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	f()
	after, err := r.record.Events(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	ip := netip.MustParseAddr(addr)
	for _, h := range hosts.Holes(after[len(before):], "lo", netip.PrefixFrom(ip, ip.BitLen())) {
		r.t.Errorf("%s was absent for %s", h.What, h.Length)
	}
}
