package gobgp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// many gives n announcements of IPv4 and IPv6 prefixes in turn.
func many(n, role int) []plugins.Announcement {
	out := make([]plugins.Announcement, n)
	for i := range out {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18 + byte(i>>16), byte(i >> 8), byte(i)}), 32)
		if i%2 == 1 {
			p = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(i >> 16), byte(i >> 8), byte(i)}), 64)
		}
		out[i] = announcement(p.String(), role)
	}
	return out
}

func testScale(t *testing.T, n int) {
	l := newLab(t)
	addrs := []string{rs1, rs2, rs3, rs4}
	var peers []plugins.Peer
	var servers []*bgppeer.Peer
	for _, a := range addrs {
		peers, servers = append(peers, peer(a, a)), append(servers, l.routeServer(a, nil))
	}
	all := func(sent int) {
		t.Helper()
		for i, rs := range servers {
			l.until("all UPDATEs at "+addrs[i], func() (bool, any) {
				got := 0
				for _, u := range updates(rs) {
					got += len(u.Announced)
				}
				if got > sent {
					t.Fatalf("%d announcements, %d were due", got, sent)
				}
				return got == sent, got
			})
		}
	}
	start := time.Now()
	l.apply(speakerOf(peers, many(n, 1)...))
	t.Logf("Apply of %d announcements: %s", n, time.Since(start))
	all(n)
	t.Logf("at all 4 peers after %s", time.Since(start))

	start = time.Now()
	l.apply(speakerOf(peers, many(n, 2)...))
	t.Logf("Apply of a role change: %s", time.Since(start))
	all(2 * n)
	t.Logf("at all 4 peers after %s", time.Since(start))
	for i, rs := range servers {
		if got := len(rs.Table()); got != n {
			t.Errorf("%s holds %d prefixes, want %d", addrs[i], got, n)
		}
		if got := len(l.observe(addrs[i]).Announced); got != n {
			t.Errorf("Observe says that %s was told %d, want %d", addrs[i], got, n)
		}
	}
	start = time.Now()
	if _, err := l.b.Observe(l.ctx); err != nil {
		t.Error(err)
	}
	t.Logf("Observe: %s", time.Since(start))
	start = time.Now()
	l.apply(speakerOf(peers, many(n, 2)...))
	t.Logf("Apply of nothing new: %s; resident %d KiB (the scripted peers included)", time.Since(start), residentKiB(t))
	start = time.Now()
	l.apply(plugins.Speaker{})
	t.Logf("withdraw all and stop: %s", time.Since(start))
}

func TestThousand(t *testing.T) {
	if !inNetns(t, host6, rs1, rs2, rs3, rs4) {
		return
	}
	testScale(t, 1000)
}

func TestTenThousand(t *testing.T) {
	if !inNetns(t, host6, rs1, rs2, rs3, rs4) {
		return
	}
	testScale(t, 10_000)
}
