package bird

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// ours is what all our names in BIRD's configuration begin with.
const ours = "stentor_"

// names makes the symbols of one rendering. A rendering for a check has
// another prefix, lest its symbols clash with those of the file in force.
type names struct{ prefix string }

func (n names) table(family int) string  { return fmt.Sprintf("%stable%d", n.prefix, family) }
func (n names) static(family int) string { return fmt.Sprintf("%sstatic%d", n.prefix, family) }
func (n names) bfd() string              { return n.prefix + "bfd" }
func (n names) revision() string         { return n.prefix + "revision" }

// peer is in quotes, as names of peers have dashes.
func (n names) peer(name string) string { return "'" + n.prefix + "peer_" + name + "'" }

// surroundings are what else BIRD runs.
type surroundings struct {
	bfd      bool // a BFD protocol of the operator's
	disabled bool // routes of ours are there and disabled
}

// render writes the configuration of s, and the revision by which a running
// BIRD is asked whether it has it. A speaker that holds nothing is no text.
//
// The tables are our own: the operator's kernel protocols and sessions export
// from theirs, and a blackhole route there would end up in the kernel, or with
// peers that are not ours.
func render(s speaker, n names, around surroundings) (text []byte, revision string) {
	if s.asn == 0 {
		return nil, ""
	}
	var out bytes.Buffer
	for _, family := range families {
		fmt.Fprintf(&out, "%s table %s;\n", channel(family), n.table(family))
	}
	for _, family := range families {
		renderStatic(&out, s, n, family)
	}
	if !around.bfd && wantsBFD(s) {
		fmt.Fprintf(&out, "\nprotocol bfd %s {\n}\n", n.bfd())
	}
	for _, p := range s.peers {
		renderPeer(&out, s, p, n)
	}
	sum := sha256.Sum256(out.Bytes())
	revision = fmt.Sprintf("%x", sum[:8])
	head := fmt.Sprintf("define %s = %q;\n", n.revision(), revision)
	return append([]byte(head), out.Bytes()...), revision
}

var families = []int{4, 6}

func channel(family int) string { return fmt.Sprintf("ipv%d", family) }

func familyOf(p netip.Prefix) int {
	if p.Addr().Is4() {
		return 4
	}
	return 6
}

func wantsBFD(s speaker) bool {
	for _, p := range s.peers {
		if p.BFD != nil {
			return true
		}
	}
	return false
}

// routePrefix begins the line of each announced prefix.
const routePrefix = "\troute "

func renderStatic(out *bytes.Buffer, s speaker, n names, family int) {
	fmt.Fprintf(out, "\nprotocol static %s {\n\t%s { table %s; };\n", n.static(family), channel(family), n.table(family))
	for _, a := range s.routes {
		if familyOf(a.Prefix) != family {
			continue
		}
		fmt.Fprintf(out, "%s%s blackhole", routePrefix, a.Prefix)
		if attrs := attributes(a, s.asn); attrs != "" {
			fmt.Fprintf(out, " { %s }", attrs)
		}
		out.WriteString(";\n")
	}
	out.WriteString("}\n")
}

// attributes are the path attributes of an announcement, as statements of a filter.
func attributes(a plugins.Announcement, asn uint32) string {
	var l []string
	add := func(format string, args ...any) { l = append(l, fmt.Sprintf(format, args...)) }
	for _, c := range a.Communities {
		add("bgp_community.add((%d,%d));", c>>16, c&0xffff)
	}
	for _, c := range a.LargeCommunities {
		add("bgp_large_community.add((%d,%d,%d));", c.Global, c.Local1, c.Local2)
	}
	if a.MED != nil {
		add("bgp_med = %d;", *a.MED)
	}
	if a.LocalPref != nil { // BIRD keeps it from eBGP peers
		add("bgp_local_pref = %d;", *a.LocalPref)
	}
	if a.NextHop.IsValid() {
		add("bgp_next_hop = %s;", a.NextHop)
	}
	for range a.Prepend {
		add("bgp_path.prepend(%d);", asn)
	}
	return strings.Join(l, " ")
}

func renderPeer(out *bytes.Buffer, s speaker, p plugins.Peer, n names) {
	add := func(format string, args ...any) { fmt.Fprintf(out, "\t"+format+";\n", args...) }
	seconds := func(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

	fmt.Fprintf(out, "\nprotocol bgp %s {\n", n.peer(p.Name))
	if p.LocalAddr.IsValid() {
		add("local %s as %d", p.LocalAddr, s.asn)
	} else {
		add("local as %d", s.asn)
	}
	add("router id %s", s.routerID)
	add("neighbor %s as %d", p.Addr.WithZone(""), p.ASN)
	if p.Addr.Zone() != "" {
		add("interface \"%s\"", p.Addr.Zone())
	}
	renderHops(add, s, p)
	if p.Password != "" {
		add("password \"%s\"", p.Password)
	}
	add("hold time %d", seconds(p.Hold))
	if p.Keepalive > 0 {
		add("keepalive time %d", seconds(p.Keepalive))
	}
	// BIRD's own defaults wait 5 s before the first attempt, and a minute and
	// more after an error.
	add("connect delay time 0")
	if p.ConnectRetry > 0 {
		add("connect retry time %d", seconds(p.ConnectRetry))
	}
	add("error wait time 1, 5")
	add("error forget time 10")
	if p.GracefulRestart > 0 {
		add("graceful restart on")
		add("graceful restart time %d", seconds(p.GracefulRestart))
	} else {
		add("graceful restart off")
	}
	if b := p.BFD; b != nil {
		add("bfd { min tx interval %d ms; min rx interval %d ms; multiplier %d; }", b.TX.Milliseconds(), b.RX.Milliseconds(), b.Multiplier)
	}
	for _, family := range families {
		renderChannel(out, s, p, n, family)
	}
	out.WriteString("}\n")
}

// renderHops says how far away the peer is. BIRD's default for iBGP is
// multihop.
func renderHops(add func(string, ...any), s speaker, p plugins.Peer) {
	switch {
	case p.TTLSecurity > 1:
		add("multihop %d", p.TTLSecurity)
	case p.TTL > 1:
		add("multihop %d", p.TTL)
	case p.ASN == s.asn && p.TTL+p.TTLSecurity == 0 && p.Addr.Zone() == "":
		add("multihop")
	default:
		add("direct")
	}
	if p.TTLSecurity > 0 {
		add("ttl security on")
	}
}

func renderChannel(out *bytes.Buffer, s speaker, p plugins.Peer, n names, family int) {
	add := func(format string, args ...any) { fmt.Fprintf(out, "\t\t"+format+";\n", args...) }
	fmt.Fprintf(out, "\t%s {\n", channel(family))
	add("table %s", n.table(family))
	add("import none")
	if family == 4 && p.Addr.Is6() {
		add("extended next hop on")
	}
	out.WriteString("\t\texport filter {\n")
	if hidden := hiddenFrom(s, p.Name, family); len(hidden) > 0 {
		fmt.Fprintf(out, "\t\t\tif net ~ [ %s ] then reject;\n", strings.Join(hidden, ", "))
	}
	if p.ASN == s.asn {
		// An iBGP peer would take our own ASN in the path for a loop.
		out.WriteString("\t\t\tbgp_path = +empty+;\n")
	}
	// Of MED and NEXT_HOP, BIRD sends an eBGP peer what the export filter has set.
	out.WriteString("\t\t\tbgp_origin = ORIGIN_IGP;\n" +
		"\t\t\tif defined(bgp_med) then bgp_med = bgp_med;\n" +
		"\t\t\tif defined(bgp_next_hop) then bgp_next_hop = bgp_next_hop;\n" +
		"\t\t\taccept;\n\t\t};\n\t};\n")
}

// hiddenFrom lists the prefixes that are not for the peer of that name.
func hiddenFrom(s speaker, peer string, family int) []string {
	var l []string
	for _, a := range s.routes {
		if familyOf(a.Prefix) == family && !told(a, peer) {
			l = append(l, a.Prefix.String())
		}
	}
	return l
}
