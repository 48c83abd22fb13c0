package config

import (
	"slices"

	"github.com/stentor-net/stentor/plugins"
)

// attributeCaps checks what a role or a VIP asks of the BGP backend.
func (b *builder) attributeCaps(t *table) {
	if c, at := get[[]plugins.LargeCommunity](t, "large_communities"); at != nil && len(c) > 0 {
		b.need(b.bgp, plugins.CapLargeCommunities, at.name(), "send large communities")
	}
	if _, at := get[uint32](t, "med"); at != nil {
		b.need(b.bgp, plugins.CapMED, at.name(), "send a MED")
	}
	if _, at := get[uint32](t, "local_pref"); at != nil {
		b.need(b.bgp, plugins.CapLocalPref, at.name(), "send LOCAL_PREF")
	}
	if n, at := get[int](t, "prepend"); at != nil && n > 0 {
		b.need(b.bgp, plugins.CapPrepend, at.name(), "prepend to AS_PATH")
	}
}

// policy turns the role of a VIP into attributes: the provider's, overridden
// by [bgp.role.ROLE], overridden by the VIP's own.
func (b *builder) policy(out *VIP, v *vip, roles *table, to []plugins.Peer) {
	internal := slices.ContainsFunc(to, b.internal)
	external := len(to) == 0 || slices.ContainsFunc(to, func(p plugins.Peer) bool { return !b.internal(p) })
	p, s := b.provider.Roles(internal, external)
	primary := fromProvider(p).override(roles.sub(string(Primary)))
	secondary := fromProvider(s).override(roles.sub(string(Secondary)))
	b.defaultCaps(primary, secondary, roles)
	if primary.equal(secondary) && !b.partial {
		b.warn(b.at(roles), "let them differ: by communities, med or prepend", "primary and secondary are announced alike, so there is no failback")
	}
	role := primary
	if out.Role == Secondary {
		role = secondary
	}
	out.Attrs = role.override(v.t)
	out.DrainAttrs = drained(out.Attrs, secondary, out.Role)
	out.DemotedAttrs = demoted(out.Attrs, secondary, out.Role, !internal && b.bgp.can(plugins.CapPrepend)).override(roles.sub(roleDemoted))
	healthy := secondary
	if out.Role == Secondary {
		healthy = out.Attrs
	}
	b.failover(out, v, !out.DemotedAttrs.equal(healthy))

	b.reach(out, v, roles, internal)
}

// reach reports attributes that don't suit the kind of the peers.
func (b *builder) reach(out *VIP, v *vip, roles *table, internal bool) {
	own, secondary, lowest := roles.sub(string(out.Role)), roles.sub(string(Secondary)), roles.sub(roleDemoted)
	if _, at := pick[uint32]("local_pref", v.t, own); at != nil && !internal && !b.partial {
		b.warn(at.name(), "use communities, med or prepend", "local_pref goes to iBGP peers only, and there is none (RFC 4271 §5.1.5)")
	}
	if !internal || out.Attrs.Prepend == 0 && out.DrainAttrs.Prepend == 0 && out.DemotedAttrs.Prepend == 0 {
		return
	}
	tables := []*table{v.t, own, secondary, lowest}
	if out.Attrs.Prepend == 0 {
		tables = []*table{secondary, lowest} // a drained VIP takes the secondary's
	}
	for _, t := range tables {
		if n, at := get[int](t, "prepend"); at != nil && n > 0 {
			b.fail(at.name(), "an iBGP peer finds its own ASN in AS_PATH and drops the route as a loop; use local_pref", "prepend can't go to an iBGP peer")
			return
		}
	}
}

// internal tells an iBGP peer.
func (b *builder) internal(p plugins.Peer) bool { return p.ASN == b.cfg.BGP.ASN }

// defaultCaps checks what the provider's roles ask of the BGP backend where
// the config does not say otherwise.
func (b *builder) defaultCaps(primary, secondary Attrs, roles *table) {
	check := func(c plugins.Cap, key string, asked bool, what string) {
		if asked && !roles.sub(string(Primary)).has(key) && !roles.sub(string(Secondary)).has(key) {
			b.need(b.bgp, c, b.bgp.at, what+", by which the roles differ unless [bgp.role.secondary] says otherwise")
		}
	}
	check(plugins.CapPrepend, "prepend", secondary.Prepend > 0, "prepend to AS_PATH")
	check(plugins.CapMED, "med", secondary.MED != nil || primary.MED != nil, "send a MED")
	check(plugins.CapLocalPref, "local_pref", secondary.LocalPref != nil || primary.LocalPref != nil, "send LOCAL_PREF")
}
