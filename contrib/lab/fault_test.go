package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/contrib/lab/rs"
	"github.com/stentor-net/stentor/plugins"
)

// hasCarrier is what the kernel says of a node's link.
func hasCarrier(t *testing.T, l *Lab, node, link string) bool {
	t.Helper()
	h, err := handle(l.ns[node])
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	found, err := h.LinkByName(link)
	if err != nil {
		t.Fatal(err)
	}
	return found.Attrs().RawFlags&unix.IFF_LOWER_UP != 0
}

func TestCutIsSilent(t *testing.T) {
	l := upLab(t, Linode(10, 1))
	ping, err := l.Probe(Client, l.Addrs(HostA)[1], pace)
	if err != nil {
		t.Fatal(err)
	}
	defer ping.Stop()
	if err := ping.Wait(bounded(t), HostA); err != nil {
		t.Fatal(err)
	}
	cut := time.Now()
	if err := l.Cut(HostA); err != nil {
		t.Fatal(err)
	}
	const some = 10
	eventually(t, "silence", func() string {
		if who := ping.Answering(); who != "" {
			return who + " still answers"
		}
		if lost := ping.Report(cut).Lost; lost < some {
			return fmt.Sprintf("%d pings are lost", lost)
		}
		return ""
	})
	for node, link := range map[string]string{HostA: "eth0", Router: HostA} {
		if !hasCarrier(t, l, node, link) {
			t.Errorf("%s of %s has no carrier after a silent cut", link, node)
		}
	}
	if err := l.Heal(HostA); err != nil {
		t.Fatal(err)
	}
	if err := ping.Wait(bounded(t), HostA); err != nil {
		t.Fatal(err)
	}
	// Of answers that come together, the later one may be noted first.
	eventually(t, fmt.Sprintf("one gap of at least %d pings", some), func() string {
		if gaps := ping.Report(time.Time{}).Gaps; len(gaps) != 1 || gaps[0].Lost < some {
			return fmt.Sprintf("gaps %+v", gaps)
		}
		return ""
	})
}

func TestLinkDownTakesTheHostsCarrierOnly(t *testing.T) {
	l := upLab(t, Linode(10, 1))
	if err := l.LinkDown(HostA); err != nil {
		t.Fatal(err)
	}
	eventually(t, "loss of carrier", func() string {
		if hasCarrier(t, l, HostA, "eth0") {
			return "eth0 of host a still has carrier"
		}
		return ""
	})
	if !hasCarrier(t, l, Router, HostA) {
		t.Error("the router's link lost carrier too")
	}
	if err := l.LinkUp(HostA); err != nil {
		t.Fatal(err)
	}
	ping, err := l.Probe(Client, l.Addrs(HostA)[0], pace)
	if err != nil {
		t.Fatal(err)
	}
	defer ping.Stop()
	if err := ping.Wait(bounded(t), HostA); err != nil {
		t.Error(err)
	}
}

func TestFaultsNeedANode(t *testing.T) {
	l := upLab(t, Linode(10, 1))
	for _, node := range []string{"c", Router, wire} {
		if err := l.Cut(node); err == nil || !strings.Contains(err.Error(), "no node") {
			t.Errorf("Cut(%q): %v", node, err)
		}
	}
}

// TestEventsAreInOrder: what the announcer did, as a route server saw it.
func TestEventsAreInOrder(t *testing.T) {
	l := upLab(t, Linode(10, 1))
	a := start(t, l, HostA)
	wantTable(t, l, HostA)
	if err := a.Stop(bounded(t)); err != nil {
		t.Fatal(err)
	}
	var got []string
	eventually(t, "the session's end", func() string {
		events, err := l.Events("rs1")
		if err != nil {
			return err.Error()
		}
		got = nil
		for _, e := range events {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Kind, prefixText(e.Prefix), e.Detail)))
		}
		if len(got) == 0 || !strings.HasPrefix(got[len(got)-1], string(rs.Down)) {
			return fmt.Sprintf("events so far: %q", got)
		}
		return ""
	})
	if len(got) == 4 && got[1] > got[2] {
		got[1], got[2] = got[2], got[1] // the families come in any order
	}
	want := []string{"established", "update 198.18.0.1/32", "update 2001:db8:5a:1::/64", "down  received NOTIFICATION 6/3"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// TestSessionSecurity dials a protected route server from host a, with and
// without what it asks for.
func TestSessionSecurity(t *testing.T) {
	for _, tt := range []struct {
		name   string
		peer   plugins.Peer
		key    string
		ttl    int
		answer bool
	}{
		{"right key", plugins.Peer{Password: "sesame"}, "sesame", 64, true},
		{"wrong key", plugins.Peer{Password: "sesame"}, "simsim", 64, false},
		{"no key", plugins.Peer{Password: "sesame"}, "", 64, false},
		{"GTSM, one hop", plugins.Peer{TTLSecurity: 1}, "", 255, true},
		{"GTSM, from afar", plugins.Peer{TTLSecurity: 1}, "", 254, false},
	} {
		for _, addr := range []string{"192.0.2.1", "2001:db8:aa::1"} {
			t.Run(tt.name+" over "+addr, func(t *testing.T) {
				tt.peer.Addr, tt.peer.ASN = netip.MustParseAddr(addr), 64512
				l := upLab(t, Peering([]plugins.Peer{tt.peer}, 65001))
				limit := time.Second // which a refusal takes
				if tt.answer {
					limit = 30 * time.Second
				}
				err := hearOpen(l, tt.peer.Addr, tt.key, tt.ttl, limit)
				if (err == nil) != tt.answer {
					t.Errorf("OPEN from the route server: %v, want one: %v", err, tt.answer)
				}
			})
		}
	}
}

// hearOpen connects to a route server from host a, and reads the head of its
// OPEN, with so much time for each.
func hearOpen(l *Lab, server netip.Addr, key string, ttl int, limit time.Duration) error {
	return l.Do(HostA, func() error {
		d := net.Dialer{Timeout: limit, Control: func(_, _ string, c syscall.RawConn) (err error) {
			e := c.Control(func(fd uintptr) { err = dialOptions(int(fd), server, key, ttl) })
			if e != nil {
				return e
			}
			return err
		}}
		d.SetMultipathTCP(false)
		conn, err := d.Dial("tcp", netip.AddrPortFrom(server, bgpPort).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(limit))
		head := make([]byte, 19)
		if _, err := conn.Read(head); err != nil {
			return err
		}
		if head[18] != 1 {
			return fmt.Errorf("first message has type %d, want OPEN", head[18])
		}
		return nil
	})
}

func dialOptions(fd int, server netip.Addr, key string, ttl int) error {
	level, option := unix.IPPROTO_IP, unix.IP_TTL
	if server.Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	if err := unix.SetsockoptInt(fd, level, option, ttl); err != nil || key == "" {
		return err
	}
	sig := &unix.TCPMD5Sig{Keylen: uint16(len(key))}
	copy(sig.Key[:], key)
	sig.Addr.Family = unix.AF_INET
	at := 2
	if server.Is6() {
		sig.Addr.Family, at = unix.AF_INET6, 6
	}
	copy(sig.Addr.Data[at:], server.AsSlice())
	return os.NewSyscallError("setsockopt", unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, sig))
}
