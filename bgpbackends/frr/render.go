package frr

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// families are those that each session carries.
var families = []string{"ipv4 unicast", "ipv6 unicast"}

// render gives the piece that holds want. What have has of it keeps its numbers.
//
// Attributes are set where a prefix enters BGP (`network P route-map M`): another
// M replaces the path of this one prefix at once. A change of a route-map that
// neighbors refer to would count for all their prefixes, 5 s later (`bgp
// route-map delay-timer`). So the neighbors' own maps say only who is told, and
// know each kind of announcement by a tag, which never leaves the host; and a
// map whose content changes gets another name.
func render(want speaker, have piece, t theirs) piece {
	p := newPiece()
	if want.asn == 0 {
		return p
	}
	p.asn = want.asn
	if p.made = t.asn == 0 || have.made; p.made {
		p.routerID = want.routerID.String()
	}
	p.maps[denyMap] = []entry{{action: "deny", seq: 1}}
	for _, peer := range want.peers {
		group := peerPrefix + strconv.FormatUint(uint64(peer.ASN), 10)
		p.groups[group] = groupLines(peer.ASN)
		hop4 := slices.ContainsFunc(want.routes, func(a plugins.Announcement) bool { return told(a, peer.Name) && a.NextHop.Is4() })
		p.peers[peer.Addr] = peerLines(peer, group, hop4)
		p.maps[outPrefix+peer.Name] = outMap(want, peer, have.maps[outPrefix+peer.Name])
		if peer.BFD != nil {
			p.profiles[profileName(*peer.BFD)] = profileLines(*peer.BFD)
		}
	}
	for _, a := range want.routes {
		lines := attributes(a, want.asn)
		name := fmt.Sprintf("%s%08x", setPrefix, hash(lines...))
		p.maps[name] = []entry{{action: "permit", seq: 1, lines: lines}}
		p.networks[a.Prefix] = name
		if needsStatic(a.Prefix, t) {
			p.statics[a.Prefix] = true
		}
	}
	return p
}

// needsStatic: FRR announces a network only while that very prefix is in the
// RIB (`bgp network import-check`). A host address is there while it is on a
// link; a shorter prefix, of which the host holds one address, is put there.
func needsStatic(x netip.Prefix, t theirs) bool {
	return !x.IsSingleIP() && !t.noCheck && !t.statics[x] && t.daemons[staticd]
}

func groupLines(asn uint32) []statement {
	lines := []statement{{}, {"", fmt.Sprintf("remote-as %d", asn)}}
	for _, f := range families {
		lines = append(lines, statement{f, "activate"},
			statement{f, "route-map " + denyMap + " in"}, statement{f, "route-map " + denyMap + " out"})
	}
	return lines
}

// peerLines are what stands after `neighbor ADDRESS`. The first one makes the
// neighbor, and marks it as ours; its group has both policies by then. hop4: it
// is told an IPv4 next hop, in place of which FRR sends an IPv6 one where it may.
func peerLines(p plugins.Peer, group string, hop4 bool) []statement {
	lines := []statement{{"", "peer-group " + group}}
	add := func(format string, args ...any) { lines = append(lines, statement{"", fmt.Sprintf(format, args...)}) }
	add("description %s", p.Name)
	if p.Password != "" {
		add("password %s", p.Password)
	}
	if p.TTL > 1 {
		add("ebgp-multihop %d", p.TTL)
	}
	if p.TTLSecurity > 0 {
		add("ttl-security hops %d", p.TTLSecurity)
	}
	if p.LocalAddr.IsValid() {
		add("update-source %s", p.LocalAddr)
	}
	keepalive := p.Keepalive
	if keepalive == 0 {
		keepalive = (p.Hold / 3).Truncate(time.Second)
	}
	add("timers %d %d", keepalive/time.Second, p.Hold/time.Second)
	if p.ConnectRetry > 0 {
		add("timers connect %d", (p.ConnectRetry+time.Second-1)/time.Second)
	}
	if p.BFD != nil {
		add("bfd")
		add("bfd profile %s", profileName(*p.BFD))
	}
	// FRR offers graceful restart, as a helper, to all. A peer that keeps our
	// routes while this host is dead would not fail over.
	add("graceful-restart-disable")
	if p.Addr.Is6() && !hop4 {
		add("capability extended-nexthop") // RFC 8950
	}
	for _, f := range families {
		lines = append(lines, statement{f, "route-map " + outPrefix + p.Name + " out"})
	}
	return lines
}

// outMap lets through, of all that is in BGP here, what is announced to a peer.
func outMap(want speaker, peer plugins.Peer, have []entry) []entry {
	kinds := [][]string{kind(plugins.Announcement{}, want.asn, peer)}
	for _, a := range want.routes {
		if told(a, peer.Name) {
			kinds = append(kinds, kind(a, want.asn, peer))
		}
	}
	slices.SortFunc(kinds[1:], slices.Compare)
	kinds = slices.CompactFunc(kinds, slices.Equal)
	used := map[int]bool{lastSeq: true}
	for _, e := range have {
		used[e.seq] = true
	}
	var out []entry
	next := 1
	for i, lines := range kinds {
		if slices.ContainsFunc(kinds[:i], func(k []string) bool { return slices.Equal(k, lines) }) {
			continue
		}
		e := entry{action: "permit", lines: lines}
		if i := slices.IndexFunc(have, func(h entry) bool { return h.action == "permit" && slices.Equal(h.lines, lines) }); i >= 0 {
			e.seq = have[i].seq
		} else {
			for used[next] {
				next++
			}
			e.seq = next
			used[next] = true
		}
		out = append(out, e)
	}
	out = append(out, entry{action: "deny", seq: lastSeq})
	slices.SortFunc(out, func(a, b entry) int { return a.seq - b.seq })
	return out
}

// lastSeq is the highest number of an entry.
const lastSeq = 65535

// kind are the lines of a peer's own map for one kind of announcement.
func kind(a plugins.Announcement, asn uint32, peer plugins.Peer) []string {
	lines := []string{fmt.Sprintf("match tag %d", tag(a))}
	switch {
	case a.NextHop.Is4():
		lines = append(lines, "set ip next-hop "+a.NextHop.String())
	case a.NextHop.Is6():
		lines = append(lines, "set ipv6 next-hop global "+a.NextHop.String())
	}
	if peer.ASN == asn {
		// A path with its own AS number in it is a loop to an iBGP peer.
		lines = append(lines, fmt.Sprintf("set as-path exclude %d", asn))
	}
	slices.Sort(lines)
	return lines
}

// tag tells the kinds of announcement apart: by whom they are for, and by
// their next hop, which can be set only towards a peer.
func tag(a plugins.Announcement) uint32 {
	peers := slices.Sorted(slices.Values(a.Peers))
	return hash(append(peers, a.NextHop.String())...) | 1 // FRR knows no tag 0
}

// attributes are the lines of the map that a prefix enters BGP by.
func attributes(a plugins.Announcement, asn uint32) []string {
	lines := []string{fmt.Sprintf("set tag %d", tag(a))}
	if len(a.Communities) > 0 {
		lines = append(lines, communityLine("community", a.Communities))
	}
	if len(a.LargeCommunities) > 0 {
		lines = append(lines, communityLine("large-community", a.LargeCommunities))
	}
	if a.MED != nil {
		lines = append(lines, fmt.Sprintf("set metric %d", *a.MED))
	}
	if a.LocalPref != nil {
		lines = append(lines, fmt.Sprintf("set local-preference %d", *a.LocalPref))
	}
	if a.Prepend > 0 {
		lines = append(lines, "set as-path prepend"+strings.Repeat(fmt.Sprintf(" %d", asn), a.Prepend))
	}
	slices.Sort(lines)
	return lines
}

func profileName(b plugins.BFD) string {
	return fmt.Sprintf("%s%d-%d-%d", bfdPrefix, b.Multiplier, b.RX.Milliseconds(), b.TX.Milliseconds())
}

func profileLines(b plugins.BFD) []string {
	return []string{
		fmt.Sprintf("detect-multiplier %d", b.Multiplier),
		fmt.Sprintf("receive-interval %d", b.RX.Milliseconds()),
		fmt.Sprintf("transmit-interval %d", b.TX.Milliseconds()),
	}
}

func hash(words ...string) uint32 {
	h := fnv.New32a()
	for _, w := range words {
		fmt.Fprintf(h, "%q", w)
	}
	return h.Sum32()
}
