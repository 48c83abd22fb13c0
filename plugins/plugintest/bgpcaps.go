package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// sentTo announces a and gives the attributes that a route server of asn got.
func (r *bgpRig) sentTo(ctx context.Context, asn uint32, a plugins.Announcement) (bgppeer.Attributes, error) {
	return r.sentOver(ctx, 1, asn, a)
}

// sentOver is sentTo the nth route server.
func (r *bgpRig) sentOver(ctx context.Context, n int, asn uint32, a plugins.Announcement) (bgppeer.Attributes, error) {
	s, err := r.server(n, func(c *bgppeer.Config) { c.ASN = asn })
	if err != nil {
		return bgppeer.Attributes{}, err
	}
	want := speakerOf([]plugins.Peer{r.peer(n, func(p *plugins.Peer) { p.ASN = asn })}, a)
	if err := r.settled(ctx, s, want); err != nil {
		return bgppeer.Attributes{}, errors.Join(err, s.Close())
	}
	got := s.Table()[a.Prefix]
	if err := r.nothingToDo(ctx, "after Apply", want); err != nil {
		return got, err
	}
	if err := r.apply(ctx, plugins.Speaker{}); err != nil {
		return got, err
	}
	return got, s.Close() // so that the next one can be started
}

func caseLarge(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapLargeCommunities); err != nil {
		return err
	}
	a := role(vip6, 1)
	a.LargeCommunities = []plugins.LargeCommunity{{Global: 65000, Local1: 2, Local2: 2}, {Global: 65000, Local1: 1, Local2: 4294967295}, {Global: 65000, Local1: 2, Local2: 2}}
	got, err := r.sentTo(ctx, serverASN, a)
	want := [][3]uint32{{65000, 1, 4294967295}, {65000, 2, 2}}
	slices.SortFunc(got.LargeCommunities, func(a, b [3]uint32) int { return slices.Compare(a[:], b[:]) })
	if err == nil && !slices.Equal(got.LargeCommunities, want) {
		err = fmt.Errorf("large communities are %v, want %v", got.LargeCommunities, want)
	}
	return err
}

func caseMED(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapMED); err != nil {
		return err
	}
	zero, fifty := uint32(0), uint32(50)
	for _, med := range []*uint32{nil, &zero, &fifty} {
		a := role(vip6, 1)
		a.MED = med
		got, err := r.sentTo(ctx, serverASN, a)
		if err != nil {
			return err
		}
		if show(got.MED) != show(med) {
			return fmt.Errorf("MULTI_EXIT_DISC is %s, want %s", show(got.MED), show(med))
		}
	}
	return nil
}

func show(v *uint32) string {
	if v == nil {
		return "not sent"
	}
	return fmt.Sprint(*v)
}

func caseLocalPref(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapLocalPref); err != nil {
		return err
	}
	pref := uint32(200)
	a := role(vip6, 1)
	a.LocalPref = &pref
	inside, err := r.sentTo(ctx, ownASN, a)
	if err != nil {
		return err
	}
	if show(inside.LocalPref) != "200" || len(inside.ASPath) > 0 {
		return fmt.Errorf("iBGP: LOCAL_PREF is %s, want 200; AS_PATH is %v, want none", show(inside.LocalPref), inside.ASPath)
	}
	outside, err := r.sentTo(ctx, serverASN, a)
	if err == nil && outside.LocalPref != nil {
		err = fmt.Errorf("eBGP: LOCAL_PREF is %s (RFC 4271 §5.1.5)", show(outside.LocalPref))
	}
	return err
}

func casePrepend(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapPrepend); err != nil {
		return err
	}
	a := role(vip6, 1)
	a.Prepend = 2
	got, err := r.sentTo(ctx, serverASN, a)
	if want := []uint32{ownASN, ownASN, ownASN}; err == nil && !slices.Equal(got.ASPath, want) {
		err = fmt.Errorf("AS_PATH is %v, want %v", got.ASPath, want)
	}
	return err
}

func caseNextHop(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapNextHop); err != nil {
		return err
	}
	for _, c := range []struct {
		peer   int
		prefix netip.Prefix
		hop    string
		same   bool // prefix, next hop and session are of one family
	}{
		{0, vip4, "192.0.2.99", true},
		{1, vip6, "fd00:7e57::99", true},
		{1, vip4, "192.0.2.99", false},
		{1, vip4, "fd00:7e57::99", false},
	} {
		a := role(c.prefix, 1)
		a.NextHop = netip.MustParseAddr(c.hop)
		got, err := r.sentOver(ctx, c.peer, serverASN, a)
		if errors.Is(err, plugins.ErrUnsupported) && !c.same {
			continue // not every speaker has words for it, and it is said
		}
		if err != nil {
			return err
		}
		if got.NextHop != a.NextHop {
			return fmt.Errorf("to %s the next hop of %s is %s, want %s", r.peer(c.peer).Addr, a.Prefix, got.NextHop, a.NextHop)
		}
	}
	return nil
}

func casePerPeer(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapPerPeer); err != nil {
		return err
	}
	servers, peers, err := r.startServers(2)
	if err != nil {
		return err
	}
	for _, names := range [][]string{{"rs1"}, {"rs2"}, nil, {"rs2", "rs1"}, {"rs1"}} {
		a := role(vip4, 1)
		a.Peers = names
		if err := r.apply(ctx, speakerOf(peers, a, role(vip6, 1))); err != nil {
			return err
		}
		for i, s := range servers {
			want := []netip.Prefix{vip6}
			if len(names) == 0 || slices.Contains(names, peers[i].Name) {
				want = []netip.Prefix{vip4, vip6}
			}
			if _, err := r.holds(ctx, s, want...); err != nil {
				return fmt.Errorf("%s for %v: %w", vip4, names, err)
			}
			if err := r.told(ctx, peers[i].Name, want...); err != nil {
				return err
			}
		}
	}
	for _, s := range servers {
		if err := oneSession(s); err != nil {
			return err
		}
		if n := count(s, func(e bgppeer.Event) bool { return withdraws(e, vip6) }); n > 0 {
			return fmt.Errorf("%s was withdrawn, though nothing about it changed", vip6)
		}
	}
	return nil
}
