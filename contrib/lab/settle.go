package lab

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"

	"github.com/stentor-net/stentor/contrib/lab/internal/netns"
)

// settle waits until the kernel has done what it does in the background after
// wireUp: until links are operational their bridges drop packets, and until an
// IPv6 address has joined its solicited-node group neighbor discovery for it
// is lost, which costs the first who asks a second.
func settle(ctx context.Context, t topology, ns map[string]*netns.Namespace) error {
	return poll(ctx, "the network", func() (bool, string) {
		for _, c := range t.cables {
			if err := operational(ns[wire], c.port); err != nil {
				return false, fmt.Sprintf("port %s: %v", c.port, err)
			}
			if err := operational(ns[c.node], c.link); err != nil {
				return false, fmt.Sprintf("node %s: %v", c.node, err)
			}
		}
		for _, a := range t.addrs {
			if err := resolvable(ns[a.node], a.prefix.Addr()); err != nil {
				return false, fmt.Sprintf("node %s: %v", a.node, err)
			}
		}
		return true, ""
	})
}

func operational(n *netns.Namespace, link string) error {
	h, err := handle(n)
	if err != nil {
		return err
	}
	defer h.Close()
	l, err := h.LinkByName(link)
	if err != nil {
		return err
	}
	if state := l.Attrs().OperState; state != netlink.OperUp {
		return fmt.Errorf("link %s is %s", link, state)
	}
	return nil
}

// resolvable looks for the address's solicited-node multicast group (RFC 4291
// §2.7.1) among those that the kernel listens to.
func resolvable(n *netns.Namespace, a netip.Addr) error {
	if a.Is4() {
		return nil
	}
	b := a.As16()
	group := append([]byte{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff}, b[13:]...)
	return n.Do(func() error {
		// thread-self: /proc/net is that of the process's first thread.
		joined, err := os.ReadFile("/proc/thread-self/net/igmp6")
		if err == nil && !bytes.Contains(joined, []byte(hex.EncodeToString(group))) {
			err = errors.New("the neighbors can't resolve " + a.String())
		}
		return err
	})
}
