package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"

	"github.com/stentor-net/stentor/contrib/lab/rs"
	"github.com/stentor-net/stentor/plugins"
)

// Kind is an implementation of router and route servers.
type Kind string

// The kinds.
const (
	Embedded Kind = "embedded" // Package rs, in this process
	FRR      Kind = "frr"      // zebra and bgpd of the FRR package
	BIRD     Kind = "bird"     // bird 2
)

// Policy is what the route servers let in.
type Policy string

// The policies.
const (
	PolicyLinode Policy = "linode" // role by community, else refused
	PolicyAll    Policy = "all"    // everything; best path by the attributes
)

// Options is a lab as it shall be. Start from Linode or Peering.
type Options struct {
	// Name sets the lab apart from others on this machine: its network
	// namespaces are NAME-NODE.
	Name string
	// Dir is the lab's own folder. Nobody else's files may lie in it: Down
	// removes it. Paths of sockets below it must stay under 108 bytes (unix(7)).
	Dir string
	// Peers are the route servers, as the hosts' configuration names them.
	// Addr, ASN, Password and TTLSecurity count; with GracefulRestart those of
	// FRR and BIRD help a host that restarts.
	Peers   []plugins.Peer
	HostASN uint32
	Policy  Policy
	// Shared puts hosts and route servers on one segment. Otherwise the router
	// is between them, and sessions must be multihop.
	Shared       bool
	RouteServers Kind // Embedded when empty
	// Outside are those of HostA and HostB that are no part of the lab, but
	// plugged in by Attach. Shared segments are for hosts of the lab alone.
	Outside []string
	Log     *slog.Logger // lab.log in Dir when nil
}

// Linode is a lab as in a Linode data centre: n route servers (up to 4) of AS
// 65000 for the hosts of AS 65001, with the roles told by community.
func Linode(dcid, n int) Options {
	o := Options{HostASN: 65001, Policy: PolicyLinode}
	for i := range n {
		// The data centre's number stands in the address in decimal digits.
		addr := netip.MustParseAddr(fmt.Sprintf("2600:3c0f:%d:34::%d", dcid, i+1))
		o.Peers = append(o.Peers, plugins.Peer{Name: rsName(i), Addr: addr, ASN: 65000, TTL: 16})
	}
	return o
}

// Peering is a lab with the given peers as route servers, which take any
// route. A peer that may be one hop away only gets a shared segment.
func Peering(peers []plugins.Peer, hostASN uint32) Options {
	o := Options{Peers: peers, HostASN: hostASN, Policy: PolicyAll}
	for _, p := range peers {
		multihop := p.TTL > 1 || p.TTLSecurity > 1 || p.ASN == hostASN
		o.Shared = o.Shared || !multihop
	}
	return o
}

// longestSocket is the longest path below Dir that a socket of the lab has.
const longestSocket = "/rs9/bgpd.vty.sock.long"

func (o *Options) check() error {
	if o.RouteServers == "" {
		o.RouteServers = Embedded
	}
	switch {
	case !regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`).MatchString(o.Name):
		return fmt.Errorf("lab: name %q: want up to 31 of a-z, 0-9 and -, a letter first", o.Name)
	case !filepath.IsAbs(o.Dir):
		return fmt.Errorf("lab: folder %q: want an absolute path", o.Dir)
	case len(o.Dir)+len(longestSocket) > 107:
		return fmt.Errorf("lab: folder %s: its path is too long for unix sockets in it", o.Dir)
	case len(o.Peers) == 0 || len(o.Peers) > 9:
		return fmt.Errorf("lab: %d route servers: want 1 to 9", len(o.Peers))
	case o.Policy != PolicyLinode && o.Policy != PolicyAll:
		return fmt.Errorf("lab: policy %q: want %q or %q", o.Policy, PolicyLinode, PolicyAll)
	}
	switch o.RouteServers {
	case Embedded:
		return nil
	case FRR, BIRD:
		return o.checkDaemons()
	}
	return fmt.Errorf("lab: route servers %q: want %q, %q or %q", o.RouteServers, Embedded, FRR, BIRD)
}

// checkDaemons refuses what only the embedded route servers do: router and
// route servers of FRR and BIRD speak iBGP with each other.
func (o *Options) checkDaemons() error {
	for _, p := range o.Peers {
		if p.ASN != o.Peers[0].ASN || p.ASN == o.HostASN {
			return fmt.Errorf("lab: %s as route server needs one ASN for all peers, and another one for the hosts; use %s", o.RouteServers, Embedded)
		}
	}
	for _, program := range map[Kind][]string{FRR: {zebraPath, bgpdPath, vtyshPath}, BIRD: {birdPath}}[o.RouteServers] {
		if _, err := os.Stat(program); err != nil {
			return fmt.Errorf("lab: route servers %s: %w; install the package, or use %s", o.RouteServers, err, Embedded)
		}
	}
	if o.RouteServers == FRR && os.Geteuid() != 0 || o.RouteServers == FRR && sandboxed() && !ownsAllIDs() {
		return errors.New("lab: FRR changes to its own user, which needs root; run with sudo, or use bird or embedded route servers")
	}
	return nil
}

func (o *Options) routeServerAddrs() []netip.Addr {
	var out []netip.Addr
	for _, p := range o.Peers {
		out = append(out, p.Addr)
	}
	return out
}

func (o *Options) policy() rs.Policy {
	if o.Policy == PolicyLinode {
		return rs.Linode
	}
	return rs.AcceptAll
}
