package doctor

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/stentor-net/stentor/core/firewall"
	"github.com/stentor-net/stentor/plugins"
)

// Hold Times that are worth a word. Below the first a host that is busy for a
// moment loses its sessions; above the second a silent failure is long.
const (
	shortHold = 6 * time.Second
	longHold  = 30 * time.Second
)

// holdTimes looks at how soon a peer misses this host. The peer's own time
// counts too, the smaller one of both (RFC 4271 §4.2).
func (x *exam) holdTimes() {
	var zero, short, long []string
	for _, p := range x.Config.BGP.Peers {
		switch {
		case p.BFD != nil:
		case p.Hold == 0:
			zero = append(zero, p.Name)
		case p.Hold < shortHold:
			short = append(short, p.Name)
		case p.Hold > longHold:
			long = append(long, p.Name)
		}
	}
	if len(zero) > 0 {
		x.add(CodeHoldZero, Warning, "bgp", fmt.Sprintf("a Hold Time of 0 means no keepalives (RFC 4271 §4.4): when this host is cut off, %s never notices", some(zero)),
			"set hold in [bgp], as hold = \"9s\", or BFD")
	}
	if len(short) > 0 {
		x.add(CodeHoldShort, Note, "bgp", fmt.Sprintf("the Hold Time of %s is below %s: a host that stalls that long, as a virtual machine that is moved, loses its routes", some(short), shortHold),
			"9s is what providers use; BFD is faster where the peer has it")
	}
	if len(long) > 0 {
		x.add(CodeHoldLong, Note, "bgp", fmt.Sprintf("the Hold Time of %s is above %s: when this host is cut off, its routes stay for that long", some(long), longHold),
			"set hold in [bgp], as hold = \"9s\", or BFD")
	}
}

// routerID: two speakers of one AS with the same BGP Identifier can't be told
// apart (RFC 6286 §2.1). A duplicate on another host can't be seen from here.
func (x *exam) routerID() {
	shared := func(a netip.Addr) bool { _, ok := x.shared[a]; return ok }
	own, ok := x.View.OwnIPv4(shared)
	switch id := x.Config.BGP.RouterID; {
	case !id.IsValid() && !ok:
		x.add(CodeRouterIDDerived, Note, "router_id", "this host has no IPv4 address of its own: the BGP Identifier is made of its machine id and hardware addresses",
			"set router_id in [bgp] to an IPv4 address that no other host uses, if you want to recognise it; it need not be on this host")
	case id.IsValid() && ok && len(x.View.Addrs[id]) == 0:
		x.add(CodeRouterIDForeign, Note, "router_id", fmt.Sprintf("%s is no address of this host: if the config was copied, another host has the same BGP Identifier, and peers that have both as iBGP neighbours refuse one", id),
			fmt.Sprintf("leave router_id out: %s would be used here", own))
	}
}

// The ports of BGP (RFC 4271 §8.2.2), of BFD over one hop (RFC 5881 §4), and of
// BFD over several (RFC 5883 §5).
const (
	portBGP         = 179
	portBFD         = 3784
	portBFDMultihop = 4784
)

// filtered asks what the packet filter does with a session. What can't be
// decided from its rules is no finding.
func (x *exam) filtered() {
	for _, p := range x.Config.BGP.Peers {
		route, err := x.RouteTo(p.Addr)
		if err != nil {
			continue
		}
		local := p.LocalAddr
		if !local.IsValid() {
			local = route.Source
		}
		out := firewall.Packet{Hook: firewall.Output, Protocol: "tcp", Source: local, Target: p.Addr, TargetPort: portBGP, Link: route.Link}
		in := firewall.Packet{Hook: firewall.Input, Protocol: "tcp", Source: p.Addr, Target: local, SourcePort: portBGP, Link: route.Link, Established: true}
		x.dropped(p, out, "what it is sent on TCP port 179", fmt.Sprintf("let TCP out to %s, port 179", p.Addr))
		x.dropped(p, in, "its answers from TCP port 179", "let in what belongs to connections: ct state established,related accept")
		if p.BFD == nil {
			continue
		}
		port := portBFD
		if p.TTL > 1 {
			port = portBFDMultihop
		}
		out.Protocol, out.TargetPort = "udp", port
		in = firewall.Packet{Hook: firewall.Input, Protocol: "udp", Source: p.Addr, Target: local, TargetPort: port, Link: route.Link}
		x.dropped(p, out, fmt.Sprintf("the BFD packets to UDP port %d", port), fmt.Sprintf("let UDP out to %s, port %d", p.Addr, port))
		x.dropped(p, in, fmt.Sprintf("its BFD packets to UDP port %d", port), fmt.Sprintf("let UDP in from %s, port %d: they are no answers to ours", p.Addr, port))
	}
}

func (x *exam) dropped(p plugins.Peer, packet firewall.Packet, what, fix string) {
	if by, dropped := x.Firewall.Drops(packet); dropped {
		x.add(CodeFirewall, Problem, "peer "+p.Name, fmt.Sprintf("this host's packet filter drops %s (%s)", what, by), fix)
	}
}

// signatures: with a key on one side alone, or two keys, a session never comes
// up, and neither side says why (RFC 2385 §4.5 has segments dropped silently).
func (x *exam) signatures() {
	var keyed, ao []string
	for _, p := range x.Config.BGP.Peers {
		if p.Password != "" {
			keyed = append(keyed, p.Name)
		}
		if p.AO.Key != "" {
			ao = append(ao, p.Name)
		}
	}
	if len(ao) > 0 && x.Kernel.NoAO {
		x.add(CodeAOMissing, Problem, "kernel", fmt.Sprintf("this kernel has no TCP-AO (CONFIG_TCP_AO, Linux 6.7 and later), which %s needs", some(ao)),
			"boot a kernel that has it, or agree with the peer on a password: password_file")
	}
	if len(keyed) > 0 && x.Kernel.NoMD5 {
		x.add(CodeMD5Missing, Problem, "kernel", fmt.Sprintf("this kernel has no TCP-MD5 (CONFIG_TCP_MD5SIG), which %s needs", some(keyed)),
			"boot a kernel that has it, or agree with the peer to leave the password out")
	}
	if n := x.md5Refused(); n > 0 {
		x.add(CodeMD5Refused, Note, "kernel", fmt.Sprintf("it dropped %d TCP segments since it started as their MD5 signature was missing, wrong, or not expected", n),
			"if a session stays in active: compare password_file with the peer's key; nstat -az 'TcpExtTCPMD5*' says which of the three")
	}
}

// md5Refused adds up the kernel's counters: names on one line, values on the next.
func (x *exam) md5Refused() int {
	sum := 0
	var names []string
	for _, line := range x.lines("proc/thread-self/net/netstat") {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "TcpExt:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names {
			if i < len(fields) && strings.HasPrefix(name, "TCPMD5") {
				sum += number(fields[i])
			}
		}
	}
	return sum
}
