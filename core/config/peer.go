package config

import (
	"net/netip"
	"strings"
	"time"

	"github.com/stentor-net/stentor/core/provider"
	"github.com/stentor-net/stentor/plugins"
)

// peer fills p: an option of [bgp.peer.NAME] goes before the same of [bgp],
// and that before the provider's.
func (b *builder) peer(p *plugins.Peer, all, own *table, fixed []provider.Peer) {
	if a, at := get[netip.Addr](own, "address"); at != nil {
		p.Addr = a
	} else if !p.Addr.IsValid() && !own.has("address") && !b.partial {
		hint := `write address = "192.0.2.1"`
		if len(fixed) > 0 {
			hint += "; the provider's own peers are " + strings.Join(peerNames(fixed), ", ")
		}
		b.fail(b.at(own), hint, "%s has no address", own.label)
	}
	if n, at := get[uint32](own, "asn"); at != nil {
		p.ASN = n
	} else if p.ASN == 0 && !own.has("asn") && !b.partial {
		b.fail(b.at(own), "write asn = NUMBER: the peer's AS", "%s has no asn", own.label)
	}
	b.timers(p, all, own)
	b.hops(p, all, own)
	b.bfd(p, all.sub("bfd"), own.sub("bfd"))
	b.password(p, all, own)
	b.tcpAO(p, all, own)
	if d, at := pick[time.Duration]("graceful_restart", own, all); at != nil && d > 0 {
		p.GracefulRestart = d
		b.need(b.bgp, plugins.CapGracefulRestart, at.name(), "do graceful restart")
	}
	b.localAddress(p, all, own)
}

// pick gives a key of the first table that has it.
func pick[T any](key string, tables ...*table) (T, *value) {
	for _, t := range tables {
		if x, at := get[T](t, key); at != nil {
			return x, at
		}
	}
	var zero T
	return zero, nil
}

// timers: who sets a Hold Time without a keepalive means a third of it
// (RFC 4271 §10), not the keepalive that belongs to another Hold Time.
func (b *builder) timers(p *plugins.Peer, all, own *table) {
	p.Hold, p.Keepalive, p.ConnectRetry = b.provider.Hold, b.provider.Keepalive, b.provider.ConnectRetry
	var keepaliveAt *value
	for _, t := range []*table{all, own} { // the more specific one last
		hold, holdAt := get[time.Duration](t, "hold_time")
		keepalive, at := get[time.Duration](t, "keepalive")
		if holdAt != nil {
			p.Hold, p.Keepalive = hold, (hold / 3).Truncate(time.Second)
			keepaliveAt = nil
		}
		if at != nil {
			p.Keepalive, keepaliveAt = keepalive, at
		}
	}
	if d, at := pick[time.Duration]("connect_retry", own, all); at != nil {
		p.ConnectRetry = d
	}
	if p.Hold == 0 {
		p.Keepalive = 0 // RFC 4271 §4.4: then none are sent
		return
	}
	switch {
	case keepaliveAt == nil:
	case p.Keepalive >= p.Hold:
		b.fail(keepaliveAt.whole(), "leave it out: it is a third of hold_time then", "keepalive %s is not below hold_time %s", short(p.Keepalive), short(p.Hold))
	case p.Keepalive > p.Hold/3:
		b.warn(keepaliveAt.whole(), "leave it out: it is a third of hold_time then", "keepalive %s is over a third of hold_time %s, so few lost packets end the session", short(p.Keepalive), short(p.Hold))
	}
}

// hops: ttl and ttl_security exclude each other, so the more specific table
// decides for both.
func (b *builder) hops(p *plugins.Peer, all, own *table) {
	external := p.ASN != b.cfg.BGP.ASN
	if external {
		p.TTL = b.provider.TTL
	}
	at := b.bgp.at
	if _, v := get[string](b.root.sub("bgp"), "provider"); v != nil {
		at = v.whole()
	}
	for _, t := range []*table{all, own} {
		ttl, ttlAt := get[int](t, "ttl")
		hops, hopsAt := get[int](t, "ttl_security")
		if ttlAt != nil && hopsAt != nil && hops > 0 {
			b.fail(hopsAt.name(), "leave one of them out: ttl_security sends with TTL 255 (RFC 5082)", "ttl_security excludes ttl")
		}
		if ttlAt != nil {
			p.TTL, p.TTLSecurity, at = ttl, 0, ttlAt.name()
		}
		if hopsAt != nil {
			p.TTLSecurity = hops
			if hops > 0 {
				p.TTL = 0
				b.need(b.bgp, plugins.CapTTLSecurity, hopsAt.name(), "do ttl_security")
			}
		}
	}
	if external && p.TTL > 1 {
		b.need(b.bgp, plugins.CapMultihop, at, "reach a peer over several hops")
	}
}

// bfd is on if either table is there; the timers are what is common on wired
// links.
func (b *builder) bfd(p *plugins.Peer, all, own *table) {
	if all == nil && own == nil {
		return
	}
	p.BFD = &plugins.BFD{TX: 300 * time.Millisecond, RX: 300 * time.Millisecond, Multiplier: 3}
	if d, at := pick[time.Duration]("tx", own, all); at != nil {
		p.BFD.TX = d
	}
	if d, at := pick[time.Duration]("rx", own, all); at != nil {
		p.BFD.RX = d
	}
	if n, at := pick[int]("multiplier", own, all); at != nil {
		p.BFD.Multiplier = n
	}
	t := own
	if t == nil {
		t = all
	}
	b.need(b.bgp, plugins.CapBFD, t.whole(), "do BFD")
	b.bfdPassword(p.BFD, all, own)
}

// The ways to sign BFD packets (RFC 5880 §6.7.4).
const (
	bfdKeyed      = "keyed-sha1"
	bfdMeticulous = "meticulous-keyed-sha1"
)

// maxBFDPassword is the longest SHA1 key (RFC 5880 §6.7.4).
const maxBFDPassword = 20

func (b *builder) bfdPassword(p *plugins.BFD, all, own *table) {
	path, at := pick[string]("password_file", own, all)
	auth, authAt := pick[string]("auth", own, all)
	id, idAt := pick[int]("key_id", own, all)
	if at == nil {
		for _, v := range []*value{authAt, idAt} {
			if v != nil {
				b.fail(v.name(), "write password_file beside it, or leave it out", "%s without a password_file signs nothing", v.key)
			}
		}
		return
	}
	b.need(b.bgp, plugins.CapBFDAuth, at.name(), "sign BFD packets")
	p.KeyID, p.Meticulous = 1, auth == bfdMeticulous
	if idAt != nil {
		p.KeyID = id
	}
	if b.opts.Offline {
		return
	}
	var m *mistake
	if p.Password, m = readSecret(path, "BFD password", maxBFDPassword); m != nil {
		b.fail(at.whole(), m.hint, "%s: %s", path, m.msg)
	}
}

// localAddress of [bgp] is for the peers of its own family; the others leave
// the choice to the kernel.
func (b *builder) localAddress(p *plugins.Peer, all, own *table) {
	a, at := get[netip.Addr](own, "local_address")
	if at != nil && p.Addr.IsValid() && a.Is4() != p.Addr.Is4() {
		b.fail(at.whole(), "both ends of a session are of one family", "local_address %s can't reach %s", a, p.Addr)
	}
	if at == nil {
		a, at = get[netip.Addr](all, "local_address")
	}
	if at == nil || a.Is4() != p.Addr.Is4() {
		return
	}
	p.LocalAddr = a
	b.need(b.bgp, plugins.CapLocalAddr, at.name(), "choose the session's own address")
}

func peerNames(peers []provider.Peer) []string {
	var names []string
	for _, p := range peers {
		names = append(names, p.Name)
	}
	return names
}
