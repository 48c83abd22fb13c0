package networkmanager

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	gnm "github.com/Wifx/gonetworkmanager/v3"
	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/netbackends/internal/kernel"
	"github.com/stentor-net/stentor/plugins"
)

// handle is a profile that is never called.
type handle struct {
	gnm.Connection
	path dbus.ObjectPath
}

func (h handle) GetPath() dbus.ObjectPath { return h.path }

const (
	oursPath  dbus.ObjectPath = "/Settings/1"
	otherPath dbus.ObjectPath = "/Settings/2"
)

func storedProfile(p profile, path dbus.ObjectPath) stored {
	return stored{reading: read(p.keyfile()), handle: handle{path: path}, file: fileName}
}

// have makes facts: our profile on d with the given addresses, active and all
// on the host.
func have(d device, list ...string) facts {
	f := facts{
		device: d, version: version{1, 42},
		kernel: snapshot{
			links: map[string]kernel.Link{"lo": {Name: "lo", Up: true, Loopback: true}, "eth0": {Name: "eth0", Up: true}},
			addrs: map[netip.Addr][]standing{netip.MustParseAddr("127.0.0.1"): {{"lo", true, 8}}},
		},
		ledger: ledger{Version: ledgerVersion},
	}
	if len(list) == 0 {
		return f
	}
	p := newProfile(d, addrs(list...))
	s := storedProfile(p, oursPath)
	f.ours, f.carrier = &s, &carrier{profile: oursPath, applied: p.addrs}
	f.kernel.links[d.link] = kernel.Link{Name: d.link, Up: true}
	for _, a := range p.addrs {
		f.put(a.String(), d.link, a.BitLen())
	}
	return f
}

func (f facts) put(a, link string, bits int) {
	addr := netip.MustParseAddr(a)
	f.kernel.addrs[addr] = append(f.kernel.addrs[addr], standing{link, true, bits})
}

// What an Apply that was cut off left on the device is ours until the next one.
func TestLeftOnDevice(t *testing.T) {
	f := have(dummy, "203.0.113.10")
	f.carrier.applied = addrs("203.0.113.10", "203.0.113.99")
	f.put("203.0.113.99", "stentor0", 32)
	states := f.states()
	if len(states) != 2 || states[0].Drift != "" || !states[1].OnHost || states[1].Adopted || !strings.Contains(states[1].Drift, "an apply was cut off") {
		t.Errorf("states: %+v", states)
	}
}

func TestDiff(t *testing.T) {
	tests := []struct {
		name  string
		facts facts
		with  func(*facts)
		want  []string
		plan  []string
	}{
		{name: "nothing", facts: have(dummy)},
		{name: "first", facts: have(dummy), want: []string{web},
			plan: []string{"add " + fileName, "add address 203.0.113.10/32 on stentor0"}},
		{name: "all there, names unknown", facts: have(dummy, "203.0.113.10"), want: []string{web},
			plan: []string{"change the record of VIP names"}},
		{name: "all there", facts: have(dummy, "203.0.113.10"), want: []string{web},
			with: func(f *facts) {
				f.ledger.VIPs = []entry{{VIP: "web", Addr: netip.MustParseAddr("203.0.113.10"), Link: "stentor0"}}
			}},
		{name: "the kernel lost it", facts: have(dummy, "203.0.113.10"), want: []string{web},
			with: func(f *facts) { clear(f.kernel.addrs) },
			plan: []string{"add address 203.0.113.10/32 on stentor0"}},
		{name: "not active", facts: have(dummy, "203.0.113.10"), want: []string{web},
			with: func(f *facts) { f.carrier = nil },
			plan: []string{"restart profile stentor on stentor0"}},
		{name: "cut off before it was reapplied", facts: have(dummy, "203.0.113.10"), want: []string{web},
			with: func(f *facts) { f.carrier.applied = addrs("203.0.113.10", "203.0.113.99") },
			plan: []string{"restart profile stentor on stentor0"}},
		{name: "in memory alone", facts: have(dummy, "203.0.113.10"), want: []string{web},
			with: func(f *facts) { f.ours.file = "/run/NetworkManager/system-connections/stentor.nmconnection" },
			plan: []string{"change /run/NetworkManager/system-connections/stentor.nmconnection", "restart profile stentor on stentor0"}},
		{name: "kept by netplan's NetworkManager", facts: have(dummy, "203.0.113.10"), want: []string{web},
			with: func(f *facts) {
				f.ours.file = "/run/NetworkManager/system-connections/netplan-NM-5a0c.nmconnection"
				f.ledger.VIPs = []entry{{VIP: "web", Addr: netip.MustParseAddr("203.0.113.10"), Link: "stentor0"}}
			}},
		{name: "on another link", facts: have(dummy), want: []string{web},
			with: func(f *facts) { f.put("203.0.113.10", "eth0", 24) },
			plan: []string{"adopt address 203.0.113.10/32 on eth0"}},
		{name: "ours, and on another link too", facts: have(dummy, "203.0.113.10"), want: []string{web, api},
			with: func(f *facts) { f.put("203.0.113.10", "eth0", 24) },
			plan: []string{"change " + fileName, "add address 203.0.113.11/32 on stentor0"}},
		{name: "another link is asked for, and has it", facts: have(dummy), want: []string{"web 203.0.113.10 eth0"},
			with: func(f *facts) { f.put("203.0.113.10", "eth0", 32) },
			plan: []string{"adopt address 203.0.113.10/32 on eth0"}},
		{name: "our own device is asked for", facts: have(dummy), want: []string{"web 203.0.113.10 stentor0"},
			plan: []string{"add " + fileName, "add address 203.0.113.10/32 on stentor0"}},
		{name: "none any more", facts: have(dummy, "203.0.113.10"),
			plan: []string{"remove " + fileName, "remove address 203.0.113.10/32 on stentor0"}},
		{name: "from lo to a device", facts: have(dummy), want: []string{web},
			with: func(f *facts) {
				f.strays = []stored{storedProfile(newProfile(loopback, addrs("203.0.113.10")), otherPath)}
				f.put("203.0.113.10", "lo", 32)
			},
			plan: []string{"add " + fileName, "add address 203.0.113.10/32 on stentor0", "remove " + fileName}},
		{name: "adopted, and its profile went down", facts: have(dummy), want: []string{web},
			with: func(f *facts) {
				f.ledger.VIPs = []entry{{VIP: "web", Addr: netip.MustParseAddr("203.0.113.10"), Link: "eth0", Adopted: true}}
				f.foreign = []stored{{reading: reading{id: "guide", uuid: "1234", addrs: addrs("203.0.113.10")}}}
			},
			plan: []string{"add " + fileName, "add address 203.0.113.10/32 on stentor0"}},
		{name: "a rival does not matter once ours is there", facts: have(dummy, "203.0.113.10"), want: []string{web, api},
			with: func(f *facts) { f.rivals = []stored{{reading: reading{id: "stentor"}}} },
			plan: []string{"change " + fileName, "add address 203.0.113.11/32 on stentor0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.with != nil {
				tt.with(&tt.facts)
			}
			c, err := diff(vips(tt.want...), tt.facts)
			if err != nil {
				t.Fatal(err)
			}
			var plan []string
			for _, s := range c.steps(tt.facts) {
				plan = append(plan, s.Verb+" "+s.Object)
			}
			if d := cmp.Diff(tt.plan, plan); d != "" {
				t.Errorf("plan (-want +got):\n%s", d)
			}
		})
	}
}

func TestDiffRefuses(t *testing.T) {
	tests := []struct {
		name  string
		facts facts
		with  func(*facts)
		want  []string
		is    error
		say   string
	}{
		{name: "twice the same", facts: have(dummy), want: []string{web, "copy 203.0.113.10"}, say: "VIP copy: VIP web has the same address 203.0.113.10"},
		{name: "loopback", facts: have(dummy), want: []string{"me 127.0.0.1"}, say: "no address that hosts can share"},
		{name: "link-local", facts: have(dummy), want: []string{"me fe80::1"}, say: "no address that hosts can share"},
		{name: "another link", facts: have(dummy), want: []string{"web 203.0.113.10 eth0"}, is: plugins.ErrUnsupported, say: "NetworkManager's profile for eth0 is not ours to change"},
		{name: "a link of our name", facts: have(dummy), want: []string{web}, is: plugins.ErrForeign, say: "ip link delete stentor0",
			with: func(f *facts) { f.kernel.links["stentor0"] = kernel.Link{Name: "stentor0"} }},
		{name: "in a profile that is down", facts: have(dummy), want: []string{web}, is: plugins.ErrForeign, say: "nmcli connection up (or delete) 1234",
			with: func(f *facts) {
				f.foreign = []stored{{reading: reading{id: "guide", uuid: "1234", addrs: addrs("203.0.113.10")}}}
			}},
		{name: "a rival", facts: have(dummy), want: []string{web}, is: plugins.ErrForeign, say: "nmcli connection delete 1234",
			with: func(f *facts) { f.rivals = []stored{{reading: reading{id: "stentor", uuid: "1234"}}} }},
		{name: "another profile took our device", facts: have(dummy, "203.0.113.10"), want: []string{web}, is: plugins.ErrForeign, say: "another profile is active on stentor0",
			with: func(f *facts) { f.carrier.profile = otherPath }},
		{name: "edited, nothing else to do", facts: have(dummy, "203.0.113.10"), want: []string{web}, is: plugins.ErrForeign, say: "apply with --force",
			with: func(f *facts) { f.ours.edited = true }},
		{name: "edited, none wanted", facts: have(dummy, "203.0.113.10"), is: plugins.ErrForeign, say: "apply with --force",
			with: func(f *facts) { f.ours.edited = true }},
		{name: "lo, too old", facts: have(loopback), want: []string{web}, is: plugins.ErrUnsupported, say: "needs NetworkManager 1.42 or newer, and this is 1.30",
			with: func(f *facts) { f.version = version{1, 30} }},
		{name: "lo, another's address, first", facts: have(loopback), want: []string{web}, is: plugins.ErrForeign, say: "lo carries 198.51.100.9/32",
			with: func(f *facts) { f.put("198.51.100.9", "lo", 32) }},
		{name: "lo, another's address, change", facts: have(loopback, "203.0.113.10"), want: []string{api}, is: plugins.ErrForeign, say: "lo carries 198.51.100.9/32",
			with: func(f *facts) { f.put("198.51.100.9", "lo", 32) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.with != nil {
				tt.with(&tt.facts)
			}
			_, err := diff(vips(tt.want...), tt.facts)
			if err == nil || !strings.Contains(err.Error(), tt.say) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v\nwant one that says %q", err, tt.say)
			}
		})
	}
}
