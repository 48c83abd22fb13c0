package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/core/provider"
	"github.com/stentor-net/stentor/plugins"
)

// speaker reads [bgp] and adds what the provider says.
func (b *builder) speaker() {
	t, cfg := b.root.sub("bgp"), &b.cfg.BGP
	b.provider, _ = provider.Lookup("generic")
	cfg.OnExit, cfg.OnRestart, cfg.DrainGrace = OnExitWithdraw, OnRestartStop, 2*time.Second
	cfg.Backend, cfg.Provider = "native", b.provider.Name
	if t == nil && len(b.vips) == 0 {
		return // nothing to announce, and nobody to announce it to
	}
	b.bgp = b.backend(plugins.KindBGP, t, cfg.Backend)
	cfg.Backend = b.bgp.name
	if n, at := get[string](t, "provider"); at != nil {
		b.provider, _ = provider.Lookup(n)
		cfg.Provider = n
	} else if t.has("provider") {
		b.partial = true
	}
	cfg.ASN = b.provider.ASN
	if n, at := get[uint32](t, "asn"); at != nil {
		cfg.ASN = n
	}
	if cfg.ASN == 0 && !t.has("asn") && !b.partial {
		b.fail(b.at(t), b.provider.ASNHint, "[bgp] has no asn")
	}
	cfg.RouterID, _ = get[netip.Addr](t, "router_id")
	if d, at := get[time.Duration](t, "drain_grace"); at != nil {
		cfg.DrainGrace = d
	}
	address, _ := get[string](t, "drain_address")
	cfg.DrainRemoves = address == drainRemove
	if e, at := get[OnExit](t, "on_exit"); at != nil {
		cfg.OnExit = e
		if e == OnExitKeep {
			b.need(b.bgp, plugins.CapOutlivesDaemon, at.whole(), "keep routes when the daemon ends")
		}
	}
	b.peers(t)
	b.onRestart(t)
}

// onRestart reads on_restart: by itself a restart leaves the routes to peers
// that were asked to keep them for one.
func (b *builder) onRestart(t *table) {
	cfg := &b.cfg.BGP
	outlives := b.bgp.info != nil && b.bgp.info.Has(plugins.CapOutlivesDaemon)
	helped := slices.ContainsFunc(cfg.Peers, func(p plugins.Peer) bool { return p.GracefulRestart > 0 })
	if helped && !outlives {
		cfg.OnRestart = OnRestartKeep
	}
	r, at := get[OnRestart](t, "on_restart")
	if at == nil {
		return
	}
	cfg.OnRestart = r
	if r == OnRestartKeep && !helped && !b.bgp.can(plugins.CapOutlivesDaemon) && !b.partial {
		b.fail(at.whole(), `write graceful_restart = "10s" too, or leave it out`, "the peers drop the routes with the session: the BGP backend %q ends with the daemon, and graceful_restart is off", b.bgp.name)
	}
}

// peers joins the provider's neighbours with [bgp.peer.NAME].
func (b *builder) peers(t *table) {
	fixed := b.providerPeers(t)
	tables := t.sub("peer")
	names := tables.subNames()
	for _, p := range fixed {
		if tables.sub(p.Name) == nil && b.wanted(p) {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	seen := map[netip.Addr]string{}
	for _, n := range names {
		p := plugins.Peer{Name: n, ASN: b.provider.PeerASN}
		if i := slices.IndexFunc(fixed, func(p provider.Peer) bool { return p.Name == n }); i >= 0 {
			p.Addr = fixed[i].Addr
		}
		own := tables.sub(n)
		b.peer(&p, t, own, fixed)
		if other, dup := seen[p.Addr]; dup && p.Addr.IsValid() {
			at := b.at(own)
			if _, v := get[netip.Addr](own, "address"); v != nil {
				at = v.whole()
			}
			b.fail(at, "keep one of them: two sessions with one peer collide (RFC 4271 §6.8)", "%s is the address of peer %q already", p.Addr, other)
		}
		seen[p.Addr] = n
		b.cfg.BGP.Peers = append(b.cfg.BGP.Peers, p)
	}
	if len(names) == 0 && len(b.vips) > 0 && !b.partial {
		b.fail(b.at(t), `write [bgp.peer.NAME] with address and asn, or provider = "NAME": `+strings.Join(provider.Names(), ", "), "there are VIPs, and no peer to announce them to")
	}
}

// wanted tells whether a provider's peer has anything to be told.
func (b *builder) wanted(p provider.Peer) bool {
	if !b.provider.PerFamily {
		return true
	}
	return slices.ContainsFunc(b.vips, func(v *vip) bool { return v.addr.Is4() == p.Addr.Is4() })
}

// providerPeers gives the provider's own neighbours.
func (b *builder) providerPeers(t *table) []provider.Peer {
	dcid, dcidAt := get[int](t, "dcid")
	slug, slugAt := get[string](t, "region")
	if b.provider.PeersAt == nil {
		for _, at := range []*value{dcidAt, slugAt} {
			if at != nil && !b.partial {
				b.fail(at.name(), `leave it out, or write provider = "linode"`, "provider %q has no %s", b.provider.Name, at.key)
			}
		}
		return b.provider.Peers
	}
	table := b.regions()
	switch {
	case slugAt != nil:
		id, ok := table[slug]
		if !ok {
			b.partial = true // which peers there are is not known now
			b.fail(slugAt.whole(), b.regionHint(slug), "unknown region %q", slug)
			return nil
		}
		if dcidAt != nil && dcid != id {
			b.fail(dcidAt.whole(), "leave one of them out", "dcid is %d, and region %q is %d", dcid, slug, id)
		}
		dcid, dcidAt = id, slugAt
	case dcidAt != nil:
		if !slices.Contains(values(table), dcid) {
			b.warn(dcidAt.whole(), "check the number; a data centre can also be newer than this version", "dcid %d is in no table of data centres", dcid)
		}
	default:
		if !t.has("dcid") && !t.has("region") && len(t.sub("peer").subNames()) == 0 && !b.partial {
			b.fail(b.at(t), `write region = "SLUG", as the cloud's panel and API name it: "eu-central"`, "provider %q needs region or dcid", b.provider.Name)
			b.partial = true
		}
		return nil
	}
	if r, ok := b.provider.RegionAt(dcid); ok && r.NoIPSharing {
		b.warn(dcidAt.whole(), "ask the provider before you rely on it", "%s does not offer IP Sharing", r.Name)
	}
	return b.provider.PeersAt(dcid)
}

// regions gives the provider's data centres by slug, with those of
// [provider.NAME.regions].
func (b *builder) regions() map[string]int {
	table := map[string]int{}
	for _, r := range b.provider.Regions {
		table[r.Slug] = r.DCID
	}
	if own := b.root.sub("provider").sub(b.provider.Name).sub("regions"); own != nil {
		for slug := range own.items {
			if id, at := get[int](own, slug); at != nil {
				table[slug] = id
			}
		}
	}
	return table
}

func (b *builder) regionHint(slug string) string {
	add := fmt.Sprintf("[provider.%s.regions] with %q = ID adds one", b.provider.Name, slug)
	if near := suggest(slug, keys(b.regions())); near != "" {
		return fmt.Sprintf("did you mean %q? %s", near, add)
	}
	return add
}
