package plugintest

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// The AS numbers and the BGP Identifier of the cases.
const (
	ownASN    = 65001
	serverASN = 65000
)

// The prefixes of the cases (RFC 5737, RFC 3849).
var (
	vip4     = netip.MustParsePrefix("198.51.100.9/32")
	vip4b    = netip.MustParsePrefix("198.51.100.10/32")
	vip6     = netip.MustParsePrefix("2001:db8:7e57:1::/64")
	vip6wide = netip.MustParsePrefix("2001:db8:7e57:100::/56")
	vip6host = netip.MustParsePrefix("2001:db8:7e57:2::9/128")
	// mark is announced to see that nothing was sent before it.
	mark = netip.MustParsePrefix("198.51.100.99/32")
)

// server starts the nth route server, from 1 on; 0 is the one with an IPv4 address.
func (r *bgpRig) server(n int, change ...func(*bgppeer.Config)) (*bgppeer.Peer, error) {
	addr := bgpPeer4
	if n > 0 {
		addr = bgpPeer6(n)
	}
	cfg := bgppeer.Config{Listen: netip.AddrPortFrom(addr, 179), ASN: serverASN, Hold: r.under.Hold}
	for _, f := range change {
		f(&cfg)
	}
	var p *bgppeer.Peer
	start := func() (err error) {
		p, err = bgppeer.Start(cfg)
		return err
	}
	err := r.net.peers.do(start)
	// A process that is being started by another case holds copies of all our
	// sockets until it is itself, that of the last server here too.
	for end := time.Now().Add(endTime); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(end); {
		<-time.After(10 * time.Millisecond)
		err = r.net.peers.do(start)
	}
	if err != nil {
		return nil, err
	}
	r.servers = append(r.servers, p)
	return p, nil
}

// peer is the nth route server as the backend is told it.
func (r *bgpRig) peer(n int, change ...func(*plugins.Peer)) plugins.Peer {
	p := plugins.Peer{
		Name: "tor", Addr: bgpPeer4, ASN: serverASN,
		Hold: r.under.Hold, Keepalive: (r.under.Hold / 3).Truncate(time.Second), ConnectRetry: time.Second,
	}
	if n > 0 {
		p.Name, p.Addr = fmt.Sprintf("rs%d", n), bgpPeer6(n)
		if r.info.Has(plugins.CapLocalAddr) {
			p.LocalAddr = bgpHost6 // the kernel may take the other one
		}
	}
	for _, f := range change {
		f(&p)
	}
	if p.Password != "" {
		r.secrets[p.Password] = true
	}
	return p
}

// role is an announcement with the community 65000:N.
func role(prefix netip.Prefix, n int) plugins.Announcement {
	return plugins.Announcement{
		VIP: "vip-" + strings.NewReplacer(".", "-", ":", "-", "/", "-").Replace(prefix.String()), Prefix: prefix,
		Communities: []plugins.Community{plugins.Community(serverASN<<16 | uint32(n))},
	}
}

func speakerOf(peers []plugins.Peer, announcements ...plugins.Announcement) plugins.Speaker {
	return plugins.Speaker{ASN: ownASN, RouterID: bgpHost4, Peers: peers, Announcements: announcements}
}

// hold puts the addresses of all that want announces on the host.
func (r *bgpRig) hold(want plugins.Speaker) error {
	var all []netip.Prefix
	for _, a := range want.Announcements {
		all = append(all, a.Prefix)
	}
	return r.net.host.hold(all...)
}
