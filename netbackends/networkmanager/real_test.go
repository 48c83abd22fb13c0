package networkmanager

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stentor-net/stentor/plugins"
)

const (
	web = "web 203.0.113.10"
	api = "api 203.0.113.11"
	dns = "dns 2001:db8::10"
)

func TestOwnDevice(t *testing.T) {
	r := newRig(t)
	b := r.backend(vxlan)
	for i, c := range []struct {
		want, plan, host []string
		files            []string
	}{
		{},
		{want: []string{web},
			plan:  []string{"add /etc/NetworkManager/system-connections/stentor.nmconnection", "add address 203.0.113.10/32 on stentor0"},
			host:  []string{"203.0.113.10/32 stentor0"},
			files: []string{"stentor.nmconnection 0600"}},
		{want: []string{web, dns, api},
			plan:  []string{"change stentor.nmconnection", "add address 203.0.113.11/32 on stentor0", "add address 2001:db8::10/128 on stentor0"},
			host:  []string{"2001:db8::10/128 stentor0", "203.0.113.10/32 stentor0", "203.0.113.11/32 stentor0"},
			files: []string{"stentor.nmconnection 0600"}},
		{want: []string{dns},
			plan:  []string{"change stentor.nmconnection", "remove address 203.0.113.10/32 on stentor0", "remove address 203.0.113.11/32 on stentor0"},
			host:  []string{"2001:db8::10/128 stentor0"},
			files: []string{"stentor.nmconnection 0600"}},
		{plan: []string{"remove stentor.nmconnection", "remove address 2001:db8::10/128 on stentor0"}},
	} {
		if d := cmp.Diff(c.plan, r.plan(b, c.want...)); d != "" {
			t.Errorf("call %d: plan (-want +got):\n%s", i, d)
		}
		r.mustApply(b, c.want...)
		if d := cmp.Diff(c.host, r.addresses()); d != "" {
			t.Errorf("call %d: host (-want +got):\n%s", i, d)
		}
		if d := cmp.Diff(c.files, r.files()); d != "" {
			t.Errorf("call %d: files (-want +got):\n%s", i, d)
		}
		if again := r.plan(r.backend(vxlan), c.want...); len(again) > 0 {
			t.Errorf("call %d: a second Apply would %v", i, again)
		}
		// NetworkManager logs each call that asks for a change.
		calls := r.log.count("audit: op=")
		r.mustApply(r.backend(vxlan), c.want...)
		if more := r.log.count("audit: op=") - calls; more > 0 {
			t.Errorf("call %d: a second Apply changed something:\n%s", i, r.log.last(more))
		}
	}
	if r.log.count("audit: op=") == 0 {
		t.Error("NetworkManager logs no changes: the count above says nothing")
	}
}

func TestLoopback(t *testing.T) {
	r := newRig(t)
	b := r.backend(loopback)
	if !r.version().atLeast(loopbackSince) {
		err := r.apply(b, web)
		if !errors.Is(err, plugins.ErrUnsupported) || !strings.Contains(err.Error(), "needs NetworkManager 1.42 or newer") {
			t.Errorf("Apply: %v", err)
		}
		if f := r.files(); len(f) > 0 {
			t.Errorf("it left %v", f)
		}
		return
	}
	for i, c := range []struct{ want, plan, host []string }{
		{want: []string{web},
			plan: []string{"add /etc/NetworkManager/system-connections/stentor.nmconnection", "add address 203.0.113.10/32 on lo"},
			host: []string{"203.0.113.10/32 lo"}},
		{want: []string{web, dns},
			plan: []string{"change stentor.nmconnection", "add address 2001:db8::10/128 on lo"},
			host: []string{"2001:db8::10/128 lo", "203.0.113.10/32 lo"}},
		{want: []string{dns},
			plan: []string{"change stentor.nmconnection", "remove address 203.0.113.10/32 on lo"},
			host: []string{"2001:db8::10/128 lo"}},
		{plan: []string{"remove stentor.nmconnection", "remove address 2001:db8::10/128 on lo"}},
	} {
		if d := cmp.Diff(c.plan, r.plan(b, c.want...)); d != "" {
			t.Errorf("call %d: plan (-want +got):\n%s", i, d)
		}
		r.mustApply(b, c.want...)
		if d := cmp.Diff(c.host, r.addresses()); d != "" {
			t.Errorf("call %d: host (-want +got):\n%s", i, d)
		}
		if again := r.plan(r.backend(loopback), c.want...); len(again) > 0 {
			t.Errorf("call %d: a second Apply would %v", i, again)
		}
		r.loStands()
	}
	if f := r.files(); len(f) > 0 {
		t.Errorf("it left %v", f)
	}
}

// What others put on lo goes when NetworkManager activates a profile there, so
// that is refused.
func TestLoopbackIsNotOursAlone(t *testing.T) {
	r := newRig(t)
	if !r.version().atLeast(loopbackSince) {
		return // TestLoopback has it
	}
	b := r.backend(loopback)
	r.ns.IP("address add 198.51.100.9/32 dev lo")
	r.refused(b, "lo carries 198.51.100.9/32", web)
	r.ns.IP("address del 198.51.100.9/32 dev lo")
	r.mustApply(b, web, dns)

	r.ns.IP("address add 198.51.100.9/32 dev lo")
	if !r.version().atLeast(preserveSince) {
		r.refused(b, "lo carries 198.51.100.9/32", dns)
		r.refused(b, "lo carries 198.51.100.9/32")
		return
	}
	r.mustApply(b, dns)
	if d := cmp.Diff([]string{"198.51.100.9/32 lo", "2001:db8::10/128 lo"}, r.addresses()); d != "" {
		t.Errorf("host (-want +got):\n%s", d)
	}
	r.mustApply(b) // ours go
	if d := cmp.Diff([]string{"198.51.100.9/32 lo"}, r.addresses()); d != "" {
		t.Errorf("host (-want +got):\n%s", d)
	}
	r.refused(b, "would take 198.51.100.9/32 off lo")
	r.ns.IP("address del 198.51.100.9/32 dev lo")
	r.mustApply(b)
	if f := r.files(); len(f) > 0 {
		t.Errorf("it left %v", f)
	}
}

func TestLoopbackProfileOfOthers(t *testing.T) {
	r := newRig(t)
	if !r.version().atLeast(loopbackSince) {
		return
	}
	r.nmcli("connection", "add", "type", "loopback", "ifname", "lo", "con-name", "theirs", "ipv4.method", "manual", "ipv4.addresses", "198.51.100.9/32")
	r.nmcli("connection", "up", "theirs")
	r.refused(r.backend(loopback), "another profile is active on lo", web)
	if d := cmp.Diff([]string{"198.51.100.9/32 lo"}, r.addresses()); d != "" {
		t.Errorf("host (-want +got):\n%s", d)
	}
}

// A kernel without dummy devices must be left as it was.
func TestDummy(t *testing.T) {
	r := newRig(t)
	b := r.backend(dummy)
	err := r.apply(b, web)
	if err == nil {
		if d := cmp.Diff([]string{"203.0.113.10/32 stentor0"}, r.addresses()); d != "" {
			t.Errorf("host (-want +got):\n%s", d)
		}
		r.mustApply(b)
	} else if !errors.Is(err, plugins.ErrUnsupported) || !strings.Contains(err.Error(), "modprobe dummy") || !strings.Contains(err.Error(), "Failed to create dummy") {
		t.Errorf("Apply: %v", err)
	}
	if f := r.files(); len(f) > 0 {
		t.Errorf("it left %v", f)
	}
	if a := r.addresses(); len(a) > 0 {
		t.Errorf("it left %v", a)
	}
}

func TestForeign(t *testing.T) {
	r := newRig(t)
	b := r.backend(vxlan)
	r.ns.IP("link add stentor0 type vxlan id 9 dstport 4789")
	r.refused(b, "there is a link stentor0 already", web)
	r.ns.IP("link del stentor0")

	r.nmcli("connection", "add", "type", "bridge", "ifname", "br0", "con-name", "stentor", "autoconnect", "no")
	before := r.contents()
	r.refused(b, "is where ours belongs", web)
	r.mustApply(b) // nothing of ours is there
	if d := cmp.Diff(before, r.contents()); d != "" {
		t.Errorf("somebody else's files (-before +after):\n%s", d)
	}
}

func TestEdited(t *testing.T) {
	r := newRig(t)
	b := r.backend(vxlan)
	r.mustApply(b, web)
	r.nmcli("connection", "modify", "stentor", "+ipv4.addresses", "198.51.100.9/32")
	before := r.contents()
	r.refused(b, "was edited by somebody", web)
	r.refused(b, "-address2=198.51.100.9/32", web, api)
	if d := cmp.Diff(before, r.contents()); d != "" {
		t.Errorf("the edited file (-before +after):\n%s", d)
	}
	if s := r.observe(b); len(s) == 0 || !strings.Contains(s[0].Drift, "was edited by somebody") {
		t.Errorf("Observe: %+v", s)
	}
	b.force = true
	r.mustApply(b, web)
	if again := r.plan(r.backend(vxlan), web); len(again) > 0 {
		t.Errorf("a second Apply would %v", again)
	}
	kept, err := os.ReadFile(r.state() + "/stentor.nmconnection.edited")
	if err != nil || !strings.Contains(string(kept), "198.51.100.9/32") {
		t.Errorf("the copy is %q, %v", kept, err)
	}
}

// What was changed in memory alone would be lost by a reboot.
func TestEditedInMemory(t *testing.T) {
	r := newRig(t)
	b := r.backend(vxlan)
	r.mustApply(b, web)
	r.nmcli("connection", "modify", "--temporary", "stentor", "connection.zone", "public")
	r.refused(b, "was edited by somebody", web)
}

func TestAdopt(t *testing.T) {
	r := newRig(t)
	b := r.backend(vxlan)
	r.ns.IP("address add 203.0.113.10/24 dev far")
	if d := cmp.Diff([]string{"adopt address 203.0.113.10/32 on far"}, r.plan(b, web)); d != "" {
		t.Errorf("plan (-want +got):\n%s", d)
	}
	r.mustApply(b, web)
	if f := r.files(); len(f) > 0 {
		t.Errorf("it wrote %v", f)
	}
	want := []plugins.VIPState{{VIP: vip("web 203.0.113.10 far"), OnHost: true, Adopted: true, Drift: "it stands on far as 203.0.113.10/24"}}
	if d := cmp.Diff(want, r.observe(r.backend(vxlan)), cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("Observe (-want +got):\n%s", d)
	}
	r.mustApply(b, web, dns)
	r.mustApply(b)
	if d := cmp.Diff([]string{"203.0.113.10/24 far"}, r.addresses()); d != "" {
		t.Errorf("host (-want +got):\n%s", d)
	}
	if entries, err := os.ReadDir(r.state()); err != nil || len(entries) > 0 {
		t.Errorf("the state folder has %v, %v", entries, err)
	}
}

func TestTakenOffByHand(t *testing.T) {
	r := newRig(t)
	b := r.backend(vxlan)
	r.mustApply(b, web, dns)
	before := r.contents()
	r.ns.IP("address del 203.0.113.10/32 dev stentor0")
	if s := r.observe(b); len(s) != 2 || s[1].OnHost || s[1].Drift != "203.0.113.10/32 is gone from stentor0" {
		t.Errorf("Observe: %+v", s)
	}
	if d := cmp.Diff([]string{"add address 203.0.113.10/32 on stentor0"}, r.plan(b, web, dns)); d != "" {
		t.Errorf("plan (-want +got):\n%s", d)
	}
	r.mustApply(b, web, dns)
	r.nmcli("device", "disconnect", "stentor0")
	r.mustApply(b, web, dns)
	if d := cmp.Diff([]string{"2001:db8::10/128 stentor0", "203.0.113.10/32 stentor0"}, r.addresses()); d != "" {
		t.Errorf("host (-want +got):\n%s", d)
	}
	if d := cmp.Diff(before, r.contents()); d != "" {
		t.Errorf("files (-before +after):\n%s", d)
	}
}

// Another device in the settings moves the addresses.
func TestMove(t *testing.T) {
	r := newRig(t)
	if !r.version().atLeast(loopbackSince) {
		return
	}
	r.mustApply(r.backend(vxlan), web)
	b := r.backend(loopback)
	if d := cmp.Diff([]string{
		"add /etc/NetworkManager/system-connections/stentor.nmconnection", "add address 203.0.113.10/32 on lo", "remove stentor.nmconnection",
	}, r.plan(b, web)); d != "" {
		t.Errorf("plan (-want +got):\n%s", d)
	}
	r.mustApply(b, web)
	if d := cmp.Diff([]string{"203.0.113.10/32 lo"}, r.addresses()); d != "" {
		t.Errorf("host (-want +got):\n%s", d)
	}
	r.ns.IP("address add 198.51.100.9/32 dev lo")
	r.refused(r.backend(vxlan), "would take 198.51.100.9/32 off lo", web)
	r.ns.IP("address del 198.51.100.9/32 dev lo")
	r.mustApply(r.backend(vxlan), web)
	if d := cmp.Diff([]string{"203.0.113.10/32 stentor0"}, r.addresses()); d != "" {
		t.Errorf("host (-want +got):\n%s", d)
	}
	r.mustApply(r.backend(loopback)) // nothing is wanted, and the other device has something
	if a, f := r.addresses(), r.files(); len(a)+len(f) > 0 {
		t.Errorf("it left %v, %v", a, f)
	}
	r.loStands()
}

// A keyfile that we write is one that NetworkManager reads as what it would
// have been given over D-Bus.
func TestGoldenIsTaken(t *testing.T) {
	r := newRig(t)
	for _, g := range goldens {
		d := g.profile.device
		if d.link == loopback.link && !r.version().atLeast(loopbackSince) {
			continue
		}
		r.write("profiles/stentor.nmconnection", string(g.profile.keyfile().bytes()))
		r.nmcli("connection", "reload")
		m, err := dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		found, err := m.profiles(context.Background(), d)
		m.close()
		found = slices.DeleteFunc(found, func(s stored) bool { return !s.inPlaceOf(d) }) // NetworkManager's own for lo
		if err != nil || len(found) != 1 {
			t.Errorf("%s: NetworkManager has %v, %v\n%s", g.name, found, err, r.log.last(5))
			continue
		}
		if p := found[0]; !p.ours || p.edited || !p.persistent() {
			t.Errorf("%s: NetworkManager has %+v\n%s", g.name, p, p.text.bytes())
		}
		if d := cmp.Diff(string(g.profile.keyfile().bytes()), string(found[0].text.bytes())); d != "" {
			t.Errorf("%s (-ours +NetworkManager's):\n%s", g.name, d)
		}
	}
}
