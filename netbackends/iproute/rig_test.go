package iproute

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/nstest"
	"github.com/stentor-net/stentor/plugins"
)

// links is a second link beside lo, and its far end.
const links = "link add eth0 type veth peer name far\nlink set far up\nlink set eth0 up\n"

// vip is written NAME ADDRESS LINK.
func vip(s string) plugins.VIP {
	f := strings.Fields(s)
	return plugins.VIP{Name: f[0], Addr: netip.MustParseAddr(f[1]), Link: f[2]}
}

func vips(list ...string) []plugins.VIP {
	all := make([]plugins.VIP, len(list))
	for i, s := range list {
		all[i] = vip(s)
	}
	return all
}

// fataler is the part of testing.TB that rapid's T has too.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// newBackend is a backend as after a start of the daemon.
func newBackend(t fataler, dir string) *Backend {
	t.Helper()
	b := New(slog.New(slog.DiscardHandler), &detect.Glance{})
	if err := b.Configure(context.Background(), plugins.Config{StateDir: dir}); err != nil {
		t.Fatal(err)
	}
	return b
}

func apply(t fataler, b *Backend, want ...string) {
	t.Helper()
	if err := b.Apply(context.Background(), vips(want...)); err != nil {
		t.Fatalf("Apply(%v): %v", want, err)
	}
}

func plan(t fataler, b *Backend, want ...string) []string {
	t.Helper()
	p, err := b.Plan(context.Background(), vips(want...))
	if err != nil {
		t.Fatalf("Plan(%v): %v", want, err)
	}
	var steps []string
	for _, s := range p.Steps {
		steps = append(steps, s.Verb+" "+s.Object)
	}
	return steps
}

// standing lists the addresses of the namespace as "PREFIX LINK", but for what
// the kernel puts there itself. It is another reader than the one under test.
func standing(t fataler) []string {
	t.Helper()
	var all []string
	ifaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range ifaces {
		addrs, err := i.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			p := netip.MustParsePrefix(a.String())
			if !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
				all = append(all, p.String()+" "+i.Name)
			}
		}
	}
	slices.Sort(all)
	return all
}

// foreign adds or deletes an address, written "PREFIX LINK", as somebody else would.
func foreign(t fataler, change func(netlink.Link, *netlink.Addr) error, s string) {
	t.Helper()
	prefix, name, _ := strings.Cut(s, " ")
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	a, err := netlink.ParseAddr(prefix)
	if err != nil {
		t.Fatal(err)
	}
	if err := change(link, a); err != nil {
		t.Fatalf("somebody else, %s: %v", s, err)
	}
}

// inside runs f in a fresh namespace that has eth0 beside lo.
func inside(t *testing.T, setup string, f func()) {
	t.Helper()
	ns := nstest.New(t)
	ns.IP(links + setup)
	ns.Do(f)
}
