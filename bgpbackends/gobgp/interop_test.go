package gobgp

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// frrRouteServer is the configuration of a Linode-like route server at rs1.
func frrRouteServer(neighbour ...string) string {
	var extra strings.Builder
	for _, line := range neighbour {
		fmt.Fprintf(&extra, " neighbor %s %s\n", host6, line)
	}
	return `
bgp community-list standard PRIMARY permit 65000:1
route-map ROLE permit 10
 match community PRIMARY
 set local-preference 200
route-map ROLE permit 20
 set local-preference 100
router bgp 65000
 bgp router-id 192.0.2.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor ` + host6 + ` remote-as 65001
 neighbor ` + host6 + ` timers 3 9
 neighbor ` + host6 + ` passive
` + extra.String() + `
 address-family ipv4 unicast
  neighbor ` + host6 + ` activate
  neighbor ` + host6 + ` route-map ROLE in
 exit-address-family
 address-family ipv6 unicast
  neighbor ` + host6 + ` activate
  neighbor ` + host6 + ` route-map ROLE in
 exit-address-family
`
}

// route waits until bgpd holds a prefix with a local preference, and gives its path.
func (l *lab) frrRoute(f *frr, family, prefix string, localPref float64) any {
	l.Helper()
	var path any
	l.until(prefix+" in bgpd", func() (bool, any) {
		v := f.show("show bgp " + family + " unicast " + prefix)
		path = at(v, "paths", 0)
		return at(path, "locPrf") == localPref, v
	})
	return path
}

func (l *lab) frrNoRoute(f *frr, family, prefix string) {
	l.Helper()
	l.until(prefix+" gone from bgpd", func() (bool, any) {
		v := f.show("show bgp " + family + " unicast " + prefix)
		return v != nil && at(v, "paths") == nil, v
	})
}

func TestFRR(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	dir := t.TempDir()
	config := frrRouteServer("ebgp-multihop 16", "update-source "+rs1, "capability extended-nexthop", "password s3cret")
	f := l.frr(dir, config)
	l.until("bgpd to answer", func() (bool, any) { v := f.show("show bgp summary"); return v != nil, v })
	p := peer("rs1", rs1)
	p.Password = "s3cret"
	peers := []plugins.Peer{p}
	started := time.Now()
	l.apply(speakerOf(peers, announcement(vipA, 1), announcement(vipB, 1)))
	l.tells("rs1", vipA, vipB)
	t.Logf("told %s after start", time.Since(started))
	path4, path6 := l.frrRoute(f, "ipv4", vipA, 200), l.frrRoute(f, "ipv6", vipB, 200)
	for _, path := range []any{path4, path6} {
		if hop := at(path, "nexthops", 0, "ip"); hop != host6 {
			t.Errorf("next hop %v in %v", hop, path)
		}
		if as := at(path, "aspath", "string"); as != "65001" {
			t.Errorf("AS path %v", as)
		}
	}
	drops := func() any {
		return at(f.show("show bgp neighbors "+host6), host6, "connectionsDropped")
	}
	l.apply(speakerOf(peers, announcement(vipA, 2), announcement(vipB, 1)))
	l.frrRoute(f, "ipv4", vipA, 100)
	l.apply(speakerOf(peers, announcement(vipB, 1)))
	l.frrNoRoute(f, "ipv4", vipA)
	l.frrRoute(f, "ipv6", vipB, 200)
	if n := drops(); n != 0.0 {
		t.Errorf("connectionsDropped %v", n)
	}

	// Not once bgpd is gone: the next attempt to connect has another error.
	if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	l.fails("rs1", "the peer sent Cease")
	<-f.gone
	f = l.frr(dir, config)
	restarted := time.Now()
	l.frrRoute(f, "ipv6", vipB, 200)
	t.Logf("held again %s after bgpd was started again", time.Since(restarted))
	l.apply(plugins.Speaker{})
	l.frrNoRoute(f, "ipv6", vipB)
}

func TestFRRTTLSecurity(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	f := l.frr(t.TempDir(), frrRouteServer("ttl-security hops 1", "update-source "+rs1, "capability extended-nexthop"))
	p := peer("rs1", rs1)
	p.TTL, p.TTLSecurity = 0, 1
	l.apply(speakerOf([]plugins.Peer{p}, announcement(vipA, 1)))
	l.frrRoute(f, "ipv4", vipA, 200)
	l.apply(plugins.Speaker{})

	// Without it our packets have a lower TTL, and bgpd's kernel drops them.
	p.TTL, p.TTLSecurity, p.Hold, p.Keepalive = 16, 0, 3*time.Second, time.Second
	l.apply(speakerOf([]plugins.Peer{p}, announcement(vipA, 1)))
	l.fails("rs1", "no KEEPALIVE")
	if v := f.show("show bgp ipv4 unicast " + vipA); at(v, "paths") != nil {
		t.Errorf("bgpd took %v", v)
	}
}

func TestBIRD(t *testing.T) {
	if !inNetns(t, host6, host4, rs1) {
		return
	}
	for _, c := range []struct{ name, channel, hop4 string }{
		{"with RFC 8950", "extended next hop on; import all; export none;", host6},
		{"without RFC 8950", "import all; export none;", host4},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			b := l.bird(`
log stderr all;
router id 192.0.2.1;
protocol device { }
protocol bgp host {
  local ` + rs1 + ` as 65000;
  neighbor ` + host6 + ` as 65001;
  multihop 16; passive on; hold time 9; password "s3cret";
  ipv4 { ` + c.channel + ` };
  ipv6 { import all; export none; };
}
`)
			p := peer("rs1", rs1)
			p.Password = "s3cret"
			l.apply(speakerOf([]plugins.Peer{p}, announcement(vipA, 1), announcement(vipB, 1)))
			l.shows(b, vipA, "BGP.next_hop: "+c.hop4, "BGP.community: (65000,1)", "BGP.as_path: 65001", "BGP.origin: IGP")
			l.shows(b, vipB, "BGP.next_hop: "+host6)
			l.apply(speakerOf([]plugins.Peer{p}, announcement(vipA, 2)))
			l.shows(b, vipA, "BGP.community: (65000,2)")
			l.shows(b, vipB, "Network not found")
			l.apply(plugins.Speaker{})
			l.shows(b, vipA, "Network not found")
			l.until("the Cease in BIRD's view", func() (bool, any) {
				v := b.show("show protocols all host")
				return strings.Contains(v, "Received: Peer de-configured"), v
			})
		})
	}
}

// shows waits until birdc's view of a route contains all words.
func (l *lab) shows(b *bird, prefix string, words ...string) {
	l.Helper()
	l.until(fmt.Sprintf("%s with %v in BIRD", prefix, words), func() (bool, any) {
		v := b.show("show route all for " + prefix)
		for _, w := range words {
			if !strings.Contains(v, w) {
				return false, v
			}
		}
		return true, v
	})
}
