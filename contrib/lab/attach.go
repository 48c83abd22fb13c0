package lab

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/stentor-net/stentor/contrib/lab/internal/netns"
)

// Attach plugs a host of Options.Outside into the lab: it makes eth0 in the
// network namespace at path, up and without addresses. The cable goes when the
// namespace does, as at the end of a booted host; then Attach plugs the next one in.
func (l *Lab) Attach(host, path string) error {
	if !slices.Contains(l.opts.Outside, host) {
		return fmt.Errorf("lab: %s is no host from outside", host)
	}
	ns, err := netns.Open(path)
	if err != nil {
		return fmt.Errorf("lab: attach %s: %w", host, err)
	}
	defer ns.Close()
	handles := map[string]*netlink.Handle{}
	for node, in := range map[string]*netns.Namespace{wire: l.ns[wire], host: ns} {
		h, err := handle(in)
		if err != nil {
			return fmt.Errorf("lab: attach %s: %w", host, err)
		}
		defer h.Close()
		handles[node] = h
	}
	if err := fresh(handles[host]); err != nil {
		return fmt.Errorf("lab: attach %s: %s: %w", host, path, err)
	}
	for _, s := range l.topology.sysctls {
		if s.node == host {
			if err := ns.Sysctl(s.key, s.value); err != nil {
				return fmt.Errorf("lab: attach %s: %w", host, err)
			}
		}
	}
	for _, c := range l.topology.cables {
		if c.node == host {
			if err := plug(c, handles, ns); err != nil {
				return fmt.Errorf("lab: cable from %s of node %s: %w", c.link, host, err)
			}
		}
	}
	return nil
}

// fresh refuses a network namespace that somebody uses already, above all this
// machine's own.
func fresh(h *netlink.Handle) error {
	links, err := h.LinkList()
	if err != nil {
		return err
	}
	for _, l := range links {
		if a := l.Attrs(); a.Flags&net.FlagLoopback == 0 && a.Flags&net.FlagUp != 0 {
			return fmt.Errorf("link %s is up, so it is no new host's network namespace", a.Name)
		}
	}
	return nil
}

// HostNet is how a host is to configure eth0: its addresses, and its gateways.
func (l *Lab) HostNet(host string) (addrs []netip.Prefix, gateways []netip.Addr) {
	for _, a := range l.topology.addrs {
		if a.node == host {
			addrs = append(addrs, a.prefix)
		}
	}
	for _, r := range l.topology.routes {
		if r.node == host && r.dst.Bits() == 0 {
			gateways = append(gateways, r.via)
		}
	}
	return addrs, gateways
}

// inside is the part of t that the lab makes itself.
func (t topology) inside(outside []string) topology {
	skip := func(node string) bool { return slices.Contains(outside, node) }
	return topology{
		nodes:   slices.DeleteFunc(slices.Clone(t.nodes), skip),
		cables:  slices.DeleteFunc(slices.Clone(t.cables), func(c cable) bool { return skip(c.node) }),
		addrs:   slices.DeleteFunc(slices.Clone(t.addrs), func(a address) bool { return skip(a.node) }),
		routes:  slices.DeleteFunc(slices.Clone(t.routes), func(r route) bool { return skip(r.node) }),
		sysctls: slices.DeleteFunc(slices.Clone(t.sysctls), func(s sysctl) bool { return skip(s.node) }),
	}
}
