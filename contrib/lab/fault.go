package lab

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// Cut drops all packets from and to a node, silently: no link loses carrier.
func (l *Lab) Cut(node string) error {
	return l.port(node, func(h *netlink.Handle, port netlink.Link, _ string) error { return h.LinkSetNoMaster(port) })
}

// Heal undoes Cut.
func (l *Lab) Heal(node string) error {
	return l.port(node, func(h *netlink.Handle, _ netlink.Link, bridge string) error { return setMaster(h, node, bridge) })
}

// LinkDown pulls a node's cable: its eth0 loses carrier. What is at the other
// end, behind a switch, does not.
func (l *Lab) LinkDown(node string) error {
	return l.port(node, func(h *netlink.Handle, port netlink.Link, _ string) error { return h.LinkSetDown(port) })
}

// LinkUp undoes LinkDown.
func (l *Lab) LinkUp(node string) error {
	return l.port(node, func(h *netlink.Handle, port netlink.Link, _ string) error { return h.LinkSetUp(port) })
}

// Babble has an embedded route server send a host a message of an unknown type,
// now and at the start of each session from now on.
func (l *Lab) Babble(server, host string) error {
	i, err := l.server(server)
	if err != nil {
		return err
	}
	e, ok := l.servers.(*embedded)
	if !ok {
		return fmt.Errorf("lab: only embedded route servers babble, not %s", l.opts.RouteServers)
	}
	s, err := e.server(i)
	if err != nil {
		return err
	}
	for _, a := range l.Addrs(host) {
		s.Babble(a)
	}
	return nil
}

// port runs f on the wire's end of a node's only cable.
func (l *Lab) port(node string, f func(h *netlink.Handle, port netlink.Link, bridge string) error) error {
	for _, c := range l.topology.cables {
		if c.port != node {
			continue
		}
		h, err := handle(l.ns[wire])
		if err != nil {
			return err
		}
		defer h.Close()
		port, err := h.LinkByName(c.port)
		if err != nil {
			return fmt.Errorf("lab: cable of %s: %w", node, err)
		}
		return f(h, port, "br-"+c.segment)
	}
	return fmt.Errorf("lab: no node %q with a cable to cut", node)
}
