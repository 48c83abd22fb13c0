package hosts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// trap is something that goes wrong on real hosts.
type trap struct {
	name string
	on   func(s stack) bool // where it can happen
	do   func(r *rig)       // leaves nothing behind
}

func everywhere(stack) bool { return true }

// byFile: the backend writes the stack's file itself.
func byFile(s stack) bool { return s.persists() && s.backend != "networkmanager" }

func by(backend string) func(s stack) bool {
	return func(s stack) bool { return s.backend == backend }
}

var traps = []trap{
	{"detection", everywhere, trapDetection},
	{"init", everywhere, trapInit},
	{"check", stack.persists, trapDoctor}, // a bare host has no route to its peer
	{"killed", everywhere, trapKilled},
	{"umask", byFile, trapUmask},
	{"read-only /etc", byFile, trapReadOnly},
	{"disk full", byFile, trapDiskFull},
	{"edited by hand", byFile, trapEdited},
	{"a foreign file in our place", byFile, trapForeignFile},
	{"on the host already", everywhere, trapAdopted},
	{"no IPv6 on lo", func(s stack) bool { return s.backend != "networkmanager" }, trapNoIPv6},
	{"a broken file of somebody's", by("netplan"), trapBrokenYAML},
	{"addresses of somebody's on lo", by("ifupdown"), trapForeignStanza},
	{"restart of NetworkManager", by("networkmanager"), trapRestart},
	{"restart of NetworkManager in the middle", by("networkmanager"), trapRestartMidway},
	{"a checkpoint of somebody's", by("networkmanager"), trapCheckpoint},
	{"a profile of somebody's that is down", by("networkmanager"), trapProfileDown},
}

// TestTraps leads each stack through what goes wrong, one after the other.
func TestTraps(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		for _, trap := range traps {
			if !trap.on(r.stack) {
				continue
			}
			r.step(t, trap.name, func(r *rig) {
				trap.do(r)
				r.end()
			})
		}
	})
}

// begin puts the two shared IPs on the host.
func (r *rig) begin() {
	r.t.Helper()
	r.config(web, dns)
	r.stentor(0, "apply")
	r.holds(web, dns)
}

// end takes all away again.
func (r *rig) end() {
	r.t.Helper()
	r.config()
	r.stentor(0, "apply")
	r.holds()
	r.untraced()
}

// edit changes a file of somebody else's, as that somebody.
func (r *rig) edit(name string, f hosts.File) {
	r.t.Helper()
	if err := r.host.Put(name, f); err != nil {
		r.t.Fatal(err)
	}
	r.first = r.refreshed(name)
}

// forget removes it.
func (r *rig) forget(name string) {
	r.t.Helper()
	r.do("rm " + name)
	r.first = r.refreshed(name)
}

func (r *rig) refreshed(name string) map[string]hosts.FileState {
	r.t.Helper()
	first := map[string]hosts.FileState{}
	for p, f := range r.first {
		first[p] = f
	}
	delete(first, name)
	if f, ok := r.files()[name]; ok {
		first[name] = f
	}
	return first
}

func trapDetection(r *rig) {
	r.configBy("auto", web)
	res, err := r.host.Exec(context.Background(), "stentor check --json")
	if err != nil {
		r.t.Fatal(err)
	}
	var checked struct {
		Backends []struct {
			Name, Why string
			Chosen    bool
		}
	}
	if err := json.Unmarshal([]byte(res.Stdout), &checked); err != nil {
		r.t.Fatalf("stentor check --json: %v\n%s", err, res)
	}
	for _, b := range checked.Backends {
		if b.Chosen && b.Name == r.backend && b.Why != "" {
			return
		}
	}
	r.t.Errorf("want %s to be chosen, for a reason: %s", r.backend, res)
}

// trapKilled: kill -9 at points spread over an apply, and the next one mends it.
func trapKilled(r *rig) {
	sets := [2][]string{{web, dns}, {api, dns}}
	r.begin()
	began := time.Now()
	r.config(api, dns)
	r.stentor(0, "apply")
	whole := time.Since(began)
	const points = 6 // TestWrites has every single one
	for n := range points {
		want := sets[n%2]
		r.config(want...)
		after := whole * time.Duration(n+1) / (points - 2)
		res, err := r.host.Exec(context.Background(), fmt.Sprintf("timeout -s KILL %.3f stentor apply", after.Seconds()))
		if err != nil {
			r.t.Fatal(err)
		}
		if res.Code != 0 && res.Code != 137 {
			r.t.Fatalf("killed after %s: %s", after, res)
		}
		r.stentor(0, "apply")
		r.holds(want...)
		if p := r.pending(); len(p) > 0 {
			r.t.Fatalf("killed after %s and mended: diff shows %q", after, p)
		}
	}
}

func trapUmask(r *rig) {
	r.begin()
	want := r.modes()
	r.end()
	r.config(web, dns)
	r.do("umask 077; stentor apply")
	r.holds(web, dns)
	if got := r.modes(); got != want {
		r.t.Errorf("under umask 077: %s\nwithout: %s", got, want)
	}
}

func (r *rig) modes() string {
	files := r.files()
	var b strings.Builder
	for _, p := range r.ours() {
		fmt.Fprintf(&b, "%s %s\n", files[p].Mode, p)
	}
	return b.String()
}

func trapReadOnly(r *rig) {
	r.config(web, dns)
	r.quiet(func() {
		r.fails(3, "/etc/", "unshare -m sh -c 'mount --bind /etc /etc && mount -o remount,bind,ro /etc && exec stentor apply'")
	})
	r.holds()
}

// trapDiskFull fills first the folder of the drop-in, then our own.
func trapDiskFull(r *rig) {
	r.begin()
	dropin := path.Dir(r.ours()[0])
	r.end()
	r.config(web, dns)
	for _, dir := range []string{dropin, "/var/lib/stentor"} {
		r.quiet(func() {
			r.fails(1, "no space left on device", "unshare -m sh -ec '"+
				"cp -a "+dir+" /run/kept; mount -t tmpfs -o size=64k,mode=755 tmpfs "+dir+"; cp -a /run/kept/. "+dir+"; rm -r /run/kept;"+
				"dd if=/dev/zero of="+dir+"/.full bs=1k 2>/dev/null || true; exec stentor apply'")
		})
		r.holds()
	}
}

// fails expects that exit code, and that a person is told that.
func (r *rig) fails(code int, say, script string) {
	r.t.Helper()
	res, err := r.host.Exec(context.Background(), script)
	if err != nil {
		r.t.Fatal(err)
	}
	if res.Code != code || !strings.Contains(res.Stderr, say) {
		r.t.Errorf("want exit %d and a word of %q: %s\n%s", code, say, script, res)
	}
}

func trapEdited(r *rig) {
	r.begin()
	ours := r.ours()[0]
	r.do("echo '# somebody was here' >>" + ours)
	edited := r.files()[ours].Content
	r.config(api, dns)
	r.quiet(func() { r.fails(3, ours, "stentor apply") })
	r.holds(web, dns)
	r.stentor(0, "apply --force")
	r.holds(api, dns)
	if strings.Contains(r.files()[ours].Content, "somebody was here") {
		r.t.Errorf("%s is still as edited", ours)
	}
	if !strings.Contains(r.do("grep -rl 'somebody was here' /var/lib/stentor"), "/var/lib/stentor") {
		r.t.Errorf("no copy was saved of the edited file:\n%s", edited)
	}
	r.do("grep -rlZ 'somebody was here' /var/lib/stentor | xargs -0 rm")
}

func trapForeignFile(r *rig) {
	r.begin()
	ours := r.ours()[0]
	mode := r.files()[ours].Mode
	r.end()
	r.edit(ours, hosts.File{Content: "# somebody else's\n", Mode: mode})
	r.config(web, dns)
	r.quiet(func() { r.fails(3, ours, "stentor apply") })
	r.quiet(func() { r.fails(3, ours, "stentor apply --force") })
	r.holds()
	r.forget(ours)
}

func trapAdopted(r *rig) {
	r.do("ip address add " + web + "/32 dev lo")
	r.begin()
	r.config()
	r.stentor(0, "apply")
	r.holds(web)
	r.do("ip address del " + web + "/32 dev lo")
}

// trapNoIPv6: what can't be had takes the rest back with it.
func trapNoIPv6(r *rig) {
	r.unwatched(func() {
		r.do("sysctl -q net.ipv6.conf.lo.disable_ipv6=1")
		r.config(web, dns)
		r.fails(1, dns, "stentor apply")
		r.holds()
		if ours := r.ours(); len(ours) > 0 {
			r.t.Errorf("left behind: %q", ours)
		}
		r.do("sysctl -q net.ipv6.conf.lo.disable_ipv6=0")
	})
}

func trapBrokenYAML(r *rig) {
	const user = "/etc/netplan/70-user.yaml"
	r.edit(user, hosts.File{Mode: 0o600, Content: "network:\n  version: 2\n  ethernets:\n    eth0:\n      addresses: [1.2.3.400/24]\n"})
	r.config(web, dns)
	r.quiet(func() { r.fails(1, user+":5:", "stentor apply") })
	r.holds()
	r.forget(user)
}

func trapForeignStanza(r *rig) {
	const theirs = "198.51.100.8/32 lo"
	was := r.first["/etc/network/interfaces"].File
	r.unwatched(func() {
		r.edit("/etc/network/interfaces", hosts.File{Mode: 0o644,
			Content: was.Content + "\niface lo inet static\n    address 198.51.100.8/32\n"})
		r.do("ip address add 198.51.100.8/32 dev lo")
	})
	r.begin()
	r.unwatched(func() {
		r.do("ifdown lo; ifup lo")
		r.settle()
		r.holds(web, dns)
	})
	if n := len(slices.DeleteFunc(r.addresses(), func(a string) bool { return a != theirs })); n != 1 {
		r.t.Errorf("%s is there %d times", theirs, n)
	}
	r.end()
	r.unwatched(func() {
		r.edit("/etc/network/interfaces", was)
		r.do("ip address del 198.51.100.8/32 dev lo")
	})
}
