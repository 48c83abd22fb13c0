package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// vip is one [vip.NAME] on its way into the Config.
type vip struct {
	vipAddress
	name string
	t    *table
	at   *value // its address
	role Role
}

// findVIPs reads address and role, in the order of the files.
func (b *builder) findVIPs() {
	tables := b.root.sub("vip")
	for _, n := range tables.subNames() {
		v := &vip{name: n, t: tables.sub(n)}
		v.vipAddress, v.at = get[vipAddress](v.t, "address")
		if !v.t.has("address") {
			b.fail(v.t.whole(), `write address = "203.0.113.10/32"`, "%s has no address", v.t.label)
		}
		v.role, _ = get[Role](v.t, "role")
		if !v.t.has("role") {
			b.fail(v.t.whole(), `write role = "primary" here and "secondary" on the other host; the same word on both means no failback`, "%s has no role", v.t.label)
		}
		b.vips = append(b.vips, v)
	}
	slices.SortFunc(b.vips, func(x, y *vip) int {
		return cmp.Or(cmp.Compare(x.t.src.order, y.t.src.order), cmp.Compare(x.t.node.val.start, y.t.node.val.start))
	})
}

// checkVIPs compares the addresses with each other, the provider and the peers.
func (b *builder) checkVIPs() {
	addrs, prefixes := map[netip.Addr]*vip{}, map[netip.Prefix]*vip{}
	var sound []*vip
	for _, v := range b.vips {
		if v.at == nil {
			continue
		}
		if other := addrs[v.addr]; other != nil {
			b.fail(v.at.whole(), "keep one of them", "%s is the address of %s already, at %s", v.addr, other.t.label, other.pos())
			continue
		}
		if other := prefixes[v.prefix]; other != nil {
			b.fail(v.at.whole(), fmt.Sprintf(`keep one of them; another address of the range can be a VIP of its own as "%s/128"`, v.addr), "%s is announced for %s already, at %s", v.prefix, other.t.label, other.pos())
			continue
		}
		addrs[v.addr], prefixes[v.prefix] = v, v
		sound = append(sound, v)
		if lengths := b.provider.Lengths(v.addr); len(lengths) > 0 && !slices.Contains(lengths, v.prefix.Bits()) {
			var words []string
			for _, l := range lengths {
				words = append(words, "/"+strconv.Itoa(l))
			}
			b.fail(v.at.whole(), "write the length of the range that the provider gave you", "provider %q takes %s, not /%d", b.provider.Name, strings.Join(words, " and "), v.prefix.Bits())
		}
	}
	b.overlaps(sound)
	for _, p := range b.cfg.BGP.Peers {
		if v := addrs[p.Addr]; v != nil {
			b.fail(v.at.whole(), "a VIP is this host's, a peer is another", "%s is the address of peer %q", v.addr, p.Name)
		}
		if v := addrs[p.LocalAddr]; v != nil {
			b.fail(v.at.whole(), "use an address that only this host has", "%s is also local_address: the session would move with the VIP", v.addr)
		}
	}
	if v := addrs[b.cfg.BGP.RouterID]; v != nil {
		_, at := get[netip.Addr](b.root.sub("bgp"), "router_id")
		b.fail(at.whole(), "use an address that only this host has: two routers with one BGP Identifier are taken for one", "router_id is the address of %s", v.t.label)
	}
}

func (v *vip) pos() Pos {
	pos, _, _ := v.at.whole().resolve()
	return pos
}

// overlaps warns of a prefix within another one. Sorted, a prefix stands after
// all that hold it.
func (b *builder) overlaps(vips []*vip) {
	sorted := slices.SortedFunc(slices.Values(vips), func(x, y *vip) int {
		return cmp.Or(x.prefix.Addr().Compare(y.prefix.Addr()), cmp.Compare(x.prefix.Bits(), y.prefix.Bits()))
	})
	var around []*vip
	for _, v := range sorted {
		for len(around) > 0 && !around[len(around)-1].prefix.Contains(v.prefix.Addr()) {
			around = around[:len(around)-1]
		}
		if len(around) > 0 {
			outer := around[len(around)-1]
			b.warn(v.at.whole(), "the longer prefix wins where it is announced, so the two can be on different hosts", "%s is within %s of %s, at %s", v.prefix, outer.prefix, outer.t.label, outer.pos())
		}
		around = append(around, v)
	}
}

// announce decides the attributes of each VIP.
func (b *builder) announce() {
	roles := b.root.sub("bgp").sub("role")
	for _, role := range []string{string(Primary), string(Secondary), roleDemoted} {
		b.attributeCaps(roles.sub(role))
	}
	b.damping = b.readDamping()
	b.cfg.VIPs = make([]VIP, 0, len(b.vips))
	linkAll, _ := get[string](b.root.sub("network"), "link")
	for _, v := range b.vips {
		out := VIP{Name: v.name, Addr: v.addr, Prefix: v.prefix, Role: v.role, Link: cmp.Or(linkAll, "lo")}
		if l, at := get[string](v.t, "link"); at != nil {
			out.Link = l
			b.needLink(l, at)
		}
		b.nextHop(&out, v)
		to := b.targets(&out, v)
		b.attributeCaps(v.t)
		b.useChecks(&out, v)
		b.policy(&out, v, roles, to)
		b.cfg.VIPs = append(b.cfg.VIPs, out)
	}
	slices.SortFunc(b.cfg.VIPs, func(x, y VIP) int { return cmp.Compare(x.Name, y.Name) })
}

func (b *builder) nextHop(out *VIP, v *vip) {
	a, at := get[netip.Addr](v.t, "next_hop")
	if at == nil {
		return
	}
	out.NextHop = a
	b.need(b.bgp, plugins.CapNextHop, at.name(), "set the next hop")
	switch {
	case a == v.addr:
		b.fail(at.whole(), "leave it out: the next hop is then the session's own address", "next_hop is the VIP itself")
	case v.addr.Is6() && a.Is4():
		b.fail(at.whole(), "", "an IPv6 prefix needs an IPv6 next hop") // the other way round is RFC 8950
	}
}

// targets gives the peers that are told of a VIP.
func (b *builder) targets(out *VIP, v *vip) []plugins.Peer {
	names, at := get[[]string](v.t, "peers")
	if at == nil {
		return b.cfg.BGP.Peers
	}
	if len(names) == 0 {
		b.fail(at.whole(), "leave it out to announce to all peers", "peers is empty")
		return nil
	}
	b.need(b.bgp, plugins.CapPerPeer, at.name(), "announce to some peers only")
	out.Peers = names
	var to []plugins.Peer
	for i, n := range names {
		j := slices.IndexFunc(b.cfg.BGP.Peers, func(p plugins.Peer) bool { return p.Name == n })
		if j >= 0 {
			to = append(to, b.cfg.BGP.Peers[j])
			continue
		}
		if b.partial {
			continue
		}
		var known []string
		for _, p := range b.cfg.BGP.Peers {
			known = append(known, p.Name)
		}
		b.fail(at.elem(i, n).whole(), didYouMean(n, known), "there is no peer %q", n)
	}
	return to
}

func keys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
func values(m map[string]int) []int  { return slices.Collect(maps.Values(m)) }
