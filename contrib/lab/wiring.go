package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/contrib/lab/internal/netns"
)

// handle opens netlink in a node's namespace. Close it.
func handle(n *netns.Namespace) (*netlink.Handle, error) {
	h, err := netlink.NewHandleAt(vnetns.NsHandle(n.Fd()))
	if err != nil {
		return nil, fmt.Errorf("netlink in %s: %w", n.Path, err)
	}
	return h, nil
}

// wireUp makes the network of t in the namespaces of its nodes.
func wireUp(t topology, ns map[string]*netns.Namespace) error {
	for _, s := range t.sysctls {
		if err := ns[s.node].Sysctl(s.key, s.value); err != nil {
			return err
		}
	}
	handles := map[string]*netlink.Handle{}
	for _, node := range t.nodes {
		h, err := handle(ns[node])
		if err != nil {
			return err
		}
		defer h.Close()
		handles[node] = h
		if err := setUp(h, "lo"); err != nil {
			return fmt.Errorf("lab: node %s: %w", node, err)
		}
	}
	for _, c := range t.cables {
		if err := plug(c, handles, ns[c.node]); err != nil {
			return fmt.Errorf("lab: cable from %s of node %s: %w", c.link, c.node, err)
		}
	}
	for _, a := range t.addrs {
		if err := addAddr(handles[a.node], a); err != nil {
			return fmt.Errorf("lab: address %s on %s of node %s: %w", a.prefix, a.link, a.node, err)
		}
	}
	for _, r := range t.routes {
		if err := addRoute(handles[r.node], r); err != nil {
			return fmt.Errorf("lab: route to %s of node %s: %w", r.dst, r.node, err)
		}
	}
	return nil
}

// plug makes one cable, and its segment's bridge if it is the first in it.
func plug(c cable, handles map[string]*netlink.Handle, node *netns.Namespace) error {
	w := handles[wire]
	bridge := "br-" + c.segment
	if _, err := w.LinkByName(bridge); err != nil {
		// No snooping: with it, a bridge forgets who listens to multicast, and
		// neighbor discovery needs that right after a cable is back.
		noSnooping := false
		if err := w.LinkAdd(&netlink.Bridge{LinkAttrs: named(bridge), MulticastSnooping: &noSnooping}); err != nil {
			return fmt.Errorf("bridge %s: %w", bridge, err)
		}
		if err := setUp(w, bridge); err != nil {
			return err
		}
	}
	veth := &netlink.Veth{LinkAttrs: named(c.port), PeerName: c.link, PeerNamespace: netlink.NsFd(node.Fd())}
	if err := w.LinkAdd(veth); err != nil {
		return err
	}
	if err := setMaster(w, c.port, bridge); err != nil {
		return err
	}
	if err := setUp(w, c.port); err != nil {
		return err
	}
	return setUp(handles[c.node], c.link)
}

func named(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

func setUp(h *netlink.Handle, link string) error {
	l, err := h.LinkByName(link)
	if err != nil {
		return fmt.Errorf("link %s: %w", link, err)
	}
	return h.LinkSetUp(l)
}

func setMaster(h *netlink.Handle, port, bridge string) error {
	p, err := h.LinkByName(port)
	if err != nil {
		return fmt.Errorf("link %s: %w", port, err)
	}
	b, err := h.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("link %s: %w", bridge, err)
	}
	return h.LinkSetMaster(p, b)
}

func addAddr(h *netlink.Handle, a address) error {
	l, err := h.LinkByName(a.link)
	if err != nil {
		return err
	}
	// NODAD: an address is tentative, and can't be bound, until its link is
	// ready, which the kernel may find out some 100 ms later only.
	return h.AddrReplace(l, &netlink.Addr{IPNet: ipNet(a.prefix), Flags: unix.IFA_F_NODAD})
}

func addRoute(h *netlink.Handle, r route) error {
	l, err := h.LinkByName(r.link)
	if err != nil {
		return err
	}
	return h.RouteReplace(kernelRoute(r.dst, r.via, l.Attrs().Index))
}

// kernelRoute is a route that may go to an IPv4 prefix by an IPv6 next hop (RTA_VIA).
func kernelRoute(dst netip.Prefix, via netip.Addr, link int) *netlink.Route {
	r := &netlink.Route{Dst: ipNet(dst), LinkIndex: link}
	switch {
	case !via.IsValid():
		r.Scope = netlink.SCOPE_LINK
	case dst.Addr().Is4() && via.Is6():
		r.Via = &netlink.Via{AddrFamily: unix.AF_INET6, Addr: via.AsSlice()}
	default:
		r.Gw = via.AsSlice()
	}
	return r
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
