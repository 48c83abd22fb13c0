// Package span is two hosts with one path between them that can be cut without
// either end noticing, and a BGP speaker of somebody else's on the far one.
package span

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/contrib/lab/internal/netns"
	"github.com/stentor-net/stentor/plugins"
)

// The hosts have an address of each family on the link, for peers one hop away,
// and one on lo, for peers that may be several hops away.
const (
	NearASN, FarASN = 65001, 65000
	link            = "eth0"
	bridge          = "br0"
)

var (
	near = ends{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("203.0.113.1/32"), netip.MustParsePrefix("2001:db8:1::1/128")}
	far  = ends{netip.MustParsePrefix("192.0.2.2/24"), netip.MustParsePrefix("2001:db8::2/64"), netip.MustParsePrefix("203.0.113.2/32"), netip.MustParsePrefix("2001:db8:1::2/128")}
)

type ends struct{ link4, link6, lo4, lo6 netip.Prefix }

// RouterID is the near host's BGP Identifier.
var RouterID = near.link4.Addr()

// Peers are the far speaker as the near host knows it, at each of its addresses.
func Peers() []plugins.Peer {
	return []plugins.Peer{
		{Name: "one-hop-4", Addr: far.link4.Addr(), ASN: FarASN, TTL: 1},
		{Name: "one-hop-6", Addr: far.link6.Addr(), ASN: FarASN, TTL: 1},
		{Name: "multihop-4", Addr: far.lo4.Addr(), ASN: FarASN, TTL: 16, LocalAddr: near.lo4.Addr()},
		{Name: "multihop-6", Addr: far.lo6.Addr(), ASN: FarASN, TTL: 16, LocalAddr: near.lo6.Addr()},
	}
}

// neighbor is the near host as the far speaker knows it.
type neighbor struct {
	Name     string
	Addr     netip.Addr
	Local    netip.Addr
	Multihop bool
}

func neighbors() []neighbor {
	return []neighbor{
		{"one_hop_4", near.link4.Addr(), far.link4.Addr(), false},
		{"one_hop_6", near.link6.Addr(), far.link6.Addr(), false},
		{"multihop_4", near.lo4.Addr(), far.lo4.Addr(), true},
		{"multihop_6", near.lo6.Addr(), far.lo6.Addr(), true},
	}
}

// Span is one of them.
type Span struct {
	dir             string
	near, far, wire *netns.Namespace
	starter         *netns.Thread // parent of all processes
	handle          *netlink.Handle
}

// New makes network namespaces NAME-near, NAME-far and NAME-wire. Files go into
// dir, which exists.
func New(name, dir string) (s *Span, err error) {
	s = &Span{dir: dir, starter: netns.NewThread()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	for suffix, ns := range map[string]**netns.Namespace{"-near": &s.near, "-far": &s.far, "-wire": &s.wire} {
		if *ns, err = netns.Create(netns.IPRoute2Dir, name+suffix); err != nil {
			return s, err
		}
	}
	if err := s.wire.Sysctl("ipv6.conf.default.disable_ipv6", "1"); err != nil {
		return s, err
	}
	if s.handle, err = netlink.NewHandleAt(nsHandle(s.wire)); err != nil {
		return s, err
	}
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridge}}
	if err := errors.Join(s.handle.LinkAdd(br), s.handle.LinkSetUp(br)); err != nil {
		return s, fmt.Errorf("bridge: %w", err)
	}
	if err := s.host(s.near, "near", near, far); err != nil {
		return s, fmt.Errorf("near host: %w", err)
	}
	if err := s.host(s.far, "far", far, near); err != nil {
		return s, fmt.Errorf("far host: %w", err)
	}
	return s, s.Heal()
}

// host gives a host its addresses, and the way to those on the other's lo.
func (s *Span) host(ns *netns.Namespace, port string, own, other ends) error {
	// FRR sends router advertisements by itself, which would give the other one
	// more addresses to speak from.
	for _, key := range []string{"disable_ipv6", "accept_dad", "accept_ra"} {
		if err := errors.Join(ns.Sysctl("ipv6.conf.all."+key, "0"), ns.Sysctl("ipv6.conf.default."+key, "0")); err != nil {
			return err
		}
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: port}, PeerName: link, PeerNamespace: netlink.NsFd(ns.Fd())}
	if err := s.handle.LinkAdd(veth); err != nil {
		return err
	}
	if err := s.handle.LinkSetUp(veth); err != nil {
		return err
	}
	h, err := netlink.NewHandleAt(nsHandle(ns))
	if err != nil {
		return err
	}
	defer h.Close()
	for name, addrs := range map[string][]netip.Prefix{"lo": {own.lo4, own.lo6}, link: {own.link4, own.link6}} {
		l, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			addr, err := netlink.ParseAddr(a.String())
			if err != nil {
				return err
			}
			// Else it is tentative until the kernel gets to it, and what is bound to
			// it before that is refused: BIRD's BFD tries that once.
			if a.Addr().Is6() {
				addr.Flags = unix.IFA_F_NODAD
			}
			if err := h.AddrAdd(l, addr); err != nil {
				return fmt.Errorf("%s on %s: %w", a, name, err)
			}
		}
		if err := h.LinkSetUp(l); err != nil {
			return err
		}
	}
	l, err := h.LinkByName(link)
	if err != nil {
		return err
	}
	for to, via := range map[netip.Prefix]netip.Addr{other.lo4: other.link4.Addr(), other.lo6: other.link6.Addr()} {
		dst, err := netlink.ParseIPNet(to.String())
		if err != nil {
			return err
		}
		if err := h.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: dst, Gw: via.AsSlice()}); err != nil {
			return fmt.Errorf("route to %s: %w", to, err)
		}
	}
	return nil
}

// Dir is its folder.
func (s *Span) Dir() string { return s.dir }

// NetNS is the file of the near host's network namespace.
func (s *Span) NetNS() string { return s.near.Path }

// Cut drops all packets from now on; no link loses its carrier.
func (s *Span) Cut() error {
	l, err := s.handle.LinkByName("far")
	if err != nil {
		return err
	}
	return s.handle.LinkSetNoMaster(l)
}

// Heal undoes Cut.
func (s *Span) Heal() error {
	br, err := s.handle.LinkByName(bridge)
	if err != nil {
		return err
	}
	for _, port := range []string{"near", "far"} {
		l, err := s.handle.LinkByName(port)
		if err != nil {
			return err
		}
		if err := s.handle.LinkSetMaster(l, br); err != nil {
			return err
		}
	}
	return nil
}

// Close removes the network. Processes on the hosts must have been ended.
func (s *Span) Close() error {
	s.starter.Close()
	if s.handle != nil {
		s.handle.Close()
	}
	var all error
	for _, ns := range []*netns.Namespace{s.near, s.far, s.wire} {
		if ns != nil {
			all = errors.Join(all, ns.Close(), netns.Remove(ns.Path))
		}
	}
	return all
}

func (s *Span) in(name string) string { return filepath.Join(s.dir, name) }

// write puts a configuration file into the span's folder.
func (s *Span) write(name, text string) (string, error) {
	return s.in(name), os.WriteFile(s.in(name), []byte(text), 0o644)
}

// Speaker is a BGP speaker on the far host.
type Speaker interface {
	Start(ctx context.Context) error
	// Holds are the peers, by the near host's addresses, from which it has the prefix.
	Holds(ctx context.Context, p netip.Prefix) ([]netip.Addr, error)
	// Kill ends a part of it as a crash does; "" is all.
	Kill(part string) error
	// Show is its view of the sessions, for people.
	Show(ctx context.Context) string
	Close() error
}
