package hosts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// The shared IPs of the tests.
const (
	web  = "203.0.113.10"
	api  = "203.0.113.12"
	dns  = "2001:db8:e001:1b8c::10"
	conf = "/etc/stentor/stentor.toml"
)

// bystander is an address that somebody else keeps on lo, as keepalived does.
const bystander = "198.51.100.7/32"

// rig is a booted host with stentor on it, and a witness to what must not change.
type rig struct {
	t testing.TB
	stack
	host   *hosts.Host
	record *hosts.Recording
	first  map[string]hosts.FileState // /etc before we came
	// leave are files of first that a test changes itself.
	leave []string
}

func newRig(t testing.TB, s stack) *rig {
	t.Helper()
	return newRigWith(t, s, hosts.Options{})
}

// newRigWith boots a host that has more than its profile.
func newRigWith(t testing.TB, s stack, o hosts.Options) *rig {
	t.Helper()
	o.Suite, o.Profile = s.suite, s.profile
	h, err := hosts.Boot(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, stack: s, host: h}
	t.Cleanup(func() {
		if t.Failed() {
			r.views()
		}
		if err := h.Remove(); err != nil {
			t.Error(err)
		}
	})
	install(t, h, "stentor")
	r.first = r.files()
	r.witness()
	return r
}

// step is a part of a host's life, with the witness asked at its end.
func (r *rig) step(t *testing.T, name string, f func(r *rig)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		inner := *r
		inner.t = t
		f(&inner)
		inner.intact()
		r.record, r.leave = inner.record, inner.leave
	})
	if t.Failed() {
		t.FailNow() // the rest of its life would be another one
	}
}

// do runs a script that has to succeed.
func (r *rig) do(script string) string {
	r.t.Helper()
	return do(r.t, r.host, script)
}

// config writes the config. The VIPs are web, which is at web or api, and dns,
// which has a whole /64.
func (r *rig) config(addrs ...string) {
	r.t.Helper()
	r.configBy(r.backend, addrs...)
}

func (r *rig) configBy(backend string, addrs ...string) {
	r.t.Helper()
	text := configText(backend, r.table, addrs...)
	if err := r.host.Put(conf, hosts.File{Content: text, Mode: 0o644}); err != nil {
		r.t.Fatal(err)
	}
}

func configText(backend, table string, addrs ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[network]\nbackend = %q\n\n%s\n[bgp]\nasn = 64500\nrouter_id = \"192.0.2.2\"\n\n", backend, table)
	fmt.Fprintf(&b, "[bgp.peer.gw]\naddress = %q\nasn = 64496\n", hosts.Gateway4)
	for _, a := range addrs {
		name, prefix := "web", a+"/32"
		if a == dns {
			name, prefix = "dns", a+"/64"
		}
		fmt.Fprintf(&b, "\n[vip.%s]\naddress = %q\nrole = \"primary\"\n", name, prefix)
	}
	return b.String()
}

// stentor runs a verb that has to end with that exit code, and gives all that it said.
func (r *rig) stentor(code int, args string) string {
	r.t.Helper()
	res, err := r.host.Exec(context.Background(), "stentor "+args)
	if err != nil {
		r.t.Fatal(err)
	}
	if res.Code != code {
		r.t.Fatalf("stentor %s: want exit %d, got %s", args, code, res)
	}
	return res.Stdout + res.Stderr
}

// addresses are all of the host but what the kernel puts there itself, as
// "PREFIX LINK". It reads the kernel by ip(8).
func (r *rig) addresses() []string {
	r.t.Helper()
	var all []string
	for line := range strings.Lines(r.do("ip -o address show")) {
		f := strings.Fields(line) // "1: lo    inet 127.0.0.1/8 scope host lo ..."
		p, err := netip.ParsePrefix(f[3])
		if err != nil {
			r.t.Fatalf("%s: %v", line, err)
		}
		if !p.Addr().IsLinkLocalUnicast() {
			all = append(all, p.String()+" "+f[1])
		}
	}
	return all
}

// shared are the shared IPs on the host, by their prefixes.
func (r *rig) shared() []string {
	r.t.Helper()
	shared := []string{}
	for _, a := range r.addresses() {
		prefix, _, _ := strings.Cut(a, " ")
		if strings.HasPrefix(a, "203.0.113.") || strings.HasPrefix(a, "2001:db8:e001:") {
			shared = append(shared, prefix)
		}
	}
	slices.Sort(shared)
	return shared
}

// holds expects exactly these of the shared IPs, each once and with its host length.
func (r *rig) holds(addrs ...string) {
	r.t.Helper()
	want := []string{}
	for _, a := range addrs {
		ip := netip.MustParseAddr(a)
		want = append(want, netip.PrefixFrom(ip, ip.BitLen()).String())
	}
	slices.Sort(want)
	if d := cmp.Diff(want, r.shared()); d != "" {
		r.t.Fatalf("shared IPs (-want +got):\n%s", d)
	}
}

// pending are the changes to the host that `stentor diff` shows.
func (r *rig) pending() []string {
	r.t.Helper()
	res, err := r.host.Exec(context.Background(), "stentor diff --json")
	if err != nil {
		r.t.Fatal(err)
	}
	var d struct {
		Network []struct{ Verb, Object string }
	}
	if err := json.Unmarshal([]byte(res.Stdout), &d); err != nil {
		r.t.Fatalf("stentor diff --json: %v\n%s", err, res)
	}
	var steps []string
	for _, s := range d.Network {
		steps = append(steps, s.Verb+" "+s.Object)
	}
	return steps
}

// views prints every side of a host on which something went wrong.
func (r *rig) views() {
	ctx := context.Background()
	if r.record != nil {
		if events, err := r.record.Events(ctx); err == nil {
			for _, e := range events {
				r.t.Log(e)
			}
		}
	}
	for _, script := range []string{
		"ip address; ip route; ip -6 route", "stentor check", "systemctl --failed --no-legend",
		"networkctl status lo; nmcli -f all device show lo", "journalctl -b --no-pager -n 40 -o short-precise",
	} {
		res, err := r.host.Exec(ctx, script)
		r.t.Logf("on %s: %s\n%s %v", r.host, script, res, err)
	}
}

// settled waits for these shared IPs, as after a boot, whose end no stack tells.
func (r *rig) settled(addrs ...string) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for len(r.shared()) < len(addrs) {
		select {
		case <-deadline:
			r.holds(addrs...)
		case <-time.After(50 * time.Millisecond):
		}
	}
	r.holds(addrs...)
}

// settle waits until the uplink has its addresses and default routes again.
func (r *rig) settle() {
	r.t.Helper()
	if r.profile == hosts.Bare {
		return
	}
	want := "eth0 has its addresses and routes"
	out := r.do(`for i in $(seq 200); do
		a=$(ip -o address show dev eth0)
		case $a in *` + hosts.Uplink4 + `*` + hosts.Uplink6 + `*) case $a in *tentative*) ;; *)
			[ -n "$(ip -4 route show default)" ] && [ -n "$(ip -6 route show default)" ] && { echo "` + want + `"; exit; };;
		esac;; esac
		sleep 0.1
	done; ip address; ip route`)
	if !strings.Contains(out, want) {
		r.t.Fatalf("the uplink does not come back:\n%s", out)
	}
}
