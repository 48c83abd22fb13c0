package gobgp

import (
	"context"
	"fmt"
	"net/netip"

	api "github.com/osrg/gobgp/v3/api"
)

const (
	importPolicy     = "import-nothing"
	exportPolicyName = "export"
	globalTable      = "global"
)

var (
	familyIPv4 = &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}
	familyIPv6 = &api.Family{Afi: api.Family_AFI_IP6, Safi: api.Family_SAFI_UNICAST}
)

// importRules refuse what any peer sends. A default of REJECT would do so too,
// but GoBGP runs our own routes through the global import policy as well.
func importRules() *api.Policy {
	refuse := func(name string, from api.Conditions_RouteType) *api.Statement {
		return &api.Statement{
			Name:       name,
			Conditions: &api.Conditions{RouteType: from},
			Actions:    &api.Actions{RouteAction: api.RouteAction_REJECT},
		}
	}
	return &api.Policy{Name: importPolicy, Statements: []*api.Statement{
		refuse("nothing-from-ebgp", api.Conditions_ROUTE_TYPE_EXTERNAL),
		refuse("nothing-from-ibgp", api.Conditions_ROUTE_TYPE_INTERNAL),
	}}
}

// request is the policy, import rules included, in GoBGP's words.
func (p policy) request() *api.SetPoliciesRequest {
	out := &api.Policy{Name: exportPolicyName}
	req := &api.SetPoliciesRequest{Policies: []*api.Policy{importRules(), out}}
	define := func(kind api.DefinedType, name string, list ...string) *api.MatchSet {
		req.DefinedSets = append(req.DefinedSets, &api.DefinedSet{DefinedType: kind, Name: name, List: list})
		return &api.MatchSet{Name: name}
	}
	for i, r := range p {
		name := fmt.Sprintf("export-%d", i)
		c, a := &api.Conditions{}, &api.Actions{}
		if len(r.neighbours) > 0 { // GoBGP takes an empty set for "any"
			c.NeighborSet = define(api.DefinedType_NEIGHBOR, name+"-neighbours", hosts(r.neighbours)...)
		}
		switch r.family {
		case 4:
			c.AfiSafiIn = []*api.Family{familyIPv4}
		case 6:
			c.AfiSafiIn = []*api.Family{familyIPv6}
		}
		if r.mark != "" {
			c.LargeCommunitySet = define(api.DefinedType_LARGE_COMMUNITY, name+"-marks", r.mark)
			if r.unmarked {
				c.LargeCommunitySet.Type = api.MatchSet_INVERT
			}
		}
		if r.nextHop.IsValid() {
			a.Nexthop = &api.NexthopAction{Address: r.nextHop.String()}
		}
		if r.prepend > 0 {
			a.AsPrepend = &api.AsPrependAction{Asn: r.asn, Repeat: uint32(r.prepend)}
		}
		if r.strip {
			a.LargeCommunity = &api.CommunityAction{Type: api.CommunityAction_REMOVE, Communities: []string{everyMark}}
		}
		switch r.verdict {
		case accept:
			a.RouteAction = api.RouteAction_ACCEPT
		case reject:
			a.RouteAction = api.RouteAction_REJECT
		}
		out.Statements = append(out.Statements, &api.Statement{Name: name, Conditions: c, Actions: a})
	}
	return req
}

func hosts(addrs []netip.Addr) []string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = netip.PrefixFrom(a, a.BitLen()).String()
	}
	return out
}

// setPolicy brings GoBGP's policies in line with the sessions, and tells
// whether that changed anything.
func (b *Backend) setPolicy(ctx context.Context) (changed bool, err error) {
	p := exportPolicy(b.have.ASN, b.sessions, b.shared, b.prepends)
	if p.equal(b.policy) {
		return false, nil
	}
	if err := b.bgp.SetPolicies(ctx, p.request()); err != nil {
		return false, fmt.Errorf("set the export policy: %w", err)
	}
	b.policy = p
	return true, nil
}

// assignPolicies puts both policies into force after a start.
func (b *Backend) assignPolicies(ctx context.Context) error {
	b.policy = nil
	if _, err := b.setPolicy(ctx); err != nil {
		return err
	}
	for direction, name := range map[api.PolicyDirection]string{
		api.PolicyDirection_IMPORT: importPolicy,
		api.PolicyDirection_EXPORT: exportPolicyName,
	} {
		err := b.bgp.SetPolicyAssignment(ctx, &api.SetPolicyAssignmentRequest{Assignment: &api.PolicyAssignment{
			Name:          globalTable,
			Direction:     direction,
			Policies:      []*api.Policy{{Name: name}},
			DefaultAction: api.RouteAction_ACCEPT,
		}})
		if err != nil {
			return fmt.Errorf("assign the policy %s: %w", name, err)
		}
	}
	return nil
}
