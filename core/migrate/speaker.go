package migrate

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/stentor-net/stentor/core/draft"
	"github.com/stentor-net/stentor/core/provider"
)

// peer is a neighbour as another speaker's configuration has it. Zero values
// are not said there.
type peer struct {
	name        string
	line        int
	about       string // a description
	addr        netip.Addr
	asn         uint32
	asnText     string // where it is no number: "external"
	hold, keep  int    // seconds
	retry       int
	ttl         int
	security    int // GTSM: hops
	local       netip.Addr
	password    string
	passwordAt  int
	bfd         bool
	bfdTX       int // ms
	bfdRX       int
	bfdMultiply int
}

// attrs are path attributes.
type attrs struct {
	communities, large []string
	med, localPref     *uint32
	prepend            int
}

// route is a prefix that was announced.
type route struct {
	prefix netip.Prefix
	line   int
	attrs  attrs
	notes  []string
}

// speaker is what FRR and BIRD have in common, on its way into the document.
type speaker struct {
	*source
	own      uint32
	routerID node // its last word; none if there is no statement about it
	peers    []*peer
	routes   []route
	known    map[netip.Prefix]bool // in routes
	backend  string                // the same daemon, for what the built-in speaker can't do
}

// write turns it into tables.
func (s *speaker) write() Converted {
	dcid := s.linode()
	t := s.doc.Add("bgp")
	if slices.ContainsFunc(s.peers, func(p *peer) bool { return p.bfd }) {
		t.Notes = []string{fmt.Sprintf("%s stays the speaker, for BFD. Stentor has sessions of its own there: take these peers out of %s.", s.backend, s.name)}
		t.Set("backend", s.backend)
	} else {
		t.Notes = []string{fmt.Sprintf("Stentor speaks BGP by itself. With backend = %q that daemon stays the speaker; take these peers out of %s then.", s.backend, s.name)}
	}
	if dcid > 0 {
		t.Set("provider", "linode").Set("dcid", dcid)
	} else {
		t.Set("asn", s.own)
	}
	s.identifier(t)
	for _, p := range s.peers {
		s.peer(p, dcid > 0)
	}
	for _, r := range s.routes {
		s.vip(r, dcid > 0)
	}
	if len(s.routes) == 0 {
		v := s.doc.Add("vip.NAME", "No prefix was found that it announces. Take the # away and write yours:")
		v.Off = true
		v.Set("address", "203.0.113.10/32").Set("role", "primary")
	}
	return s.done()
}

// identifier writes the router id, if it can be one.
func (s *speaker) identifier(t *draft.Table) {
	if len(s.routerID.words) == 0 {
		return
	}
	id, err := netip.ParseAddr(s.routerID.words[len(s.routerID.words)-1])
	switch {
	case err != nil || !id.Is4() || id.IsUnspecified():
		s.leave(s.routerID.line, s.routerID.String(), "it is no BGP Identifier")
	case slices.ContainsFunc(s.routes, func(r route) bool { return r.prefix.Contains(id) }):
		s.leave(s.routerID.line, s.routerID.String(), "it is a shared IP, and two routers with one BGP Identifier are taken for one; Stentor takes an address that this host has alone")
	default:
		t.Set("router_id", id.String())
	}
}

// linode gives the data centre if the peers are the route servers of one.
func (s *speaker) linode() int {
	linode, _ := provider.Lookup("linode")
	if s.own != linode.ASN || len(s.peers) == 0 {
		return 0
	}
	for _, region := range linode.Regions {
		servers := linode.PeersAt(region.DCID)
		all := len(s.peers) == len(servers)
		for _, p := range s.peers {
			i := slices.IndexFunc(servers, func(k provider.Peer) bool { return k.Addr == p.addr })
			if all = all && i >= 0 && (p.asn == linode.PeerASN || p.asn == 0); all {
				p.name = servers[i].Name
			}
		}
		if all {
			return region.DCID
		}
	}
	return 0
}

// peer writes [bgp.peer.NAME]; one that the provider knows only if there is
// more to say.
func (s *speaker) peer(p *peer, known bool) {
	t := &draft.Table{Name: "bgp.peer." + p.name}
	said := 0
	set := func(key string, value any, unless bool, note ...string) {
		if !unless {
			said++
			t.Set(key, value, note...)
		}
	}
	if p.about != "" {
		t.Notes = []string{p.about}
	}
	if !known {
		t.Set("address", p.addr.String())
		said++
		if p.asn == 0 {
			t.Set("asn", 0, fmt.Sprintf("WRITE THE PEER'S AS NUMBER: %s:%d says %q", s.name, p.line, p.asnText))
		} else {
			t.Set("asn", p.asn)
		}
	}
	hold := p.hold
	set("hold_time", strconv.Itoa(hold)+"s", hold < 3 || known && hold == linodeHold)
	set("keepalive", strconv.Itoa(p.keep)+"s", p.keep == 0 || hold < 3 || p.keep >= hold || p.keep == hold/3)
	set("connect_retry", strconv.Itoa(p.retry)+"s", p.retry == 0)
	set("ttl", p.ttl, p.ttl == 0 || p.security > 0 || known && p.ttl <= linodeTTL || p.asn == s.own)
	set("ttl_security", p.security, p.security == 0)
	set("local_address", p.local.String(), !p.local.IsValid() || p.local.Is4() != p.addr.Is4())
	if p.password != "" {
		set("password_file", s.secret(p.name, p.password, p.passwordAt), false, fmt.Sprintf("the password of %s:%d", s.name, p.passwordAt))
	}
	if said > 0 {
		s.doc.Tables = append(s.doc.Tables, t)
	}
	if !p.bfd {
		return
	}
	b := s.doc.Add("bgp.peer." + p.name + ".bfd")
	for _, timer := range []struct {
		key string
		ms  int
	}{{"tx", p.bfdTX}, {"rx", p.bfdRX}} {
		if timer.ms >= 10 && timer.ms <= 60000 {
			b.Set(timer.key, strconv.Itoa(timer.ms)+"ms")
		}
	}
	if p.bfdMultiply > 0 {
		b.Set("multiplier", p.bfdMultiply)
	}
}

// vip writes [vip.NAME] for a prefix, if a host can hold it.
func (s *speaker) vip(r route, linode bool) {
	if a := r.prefix.Addr(); a.Is4() && r.prefix.Bits() != 32 || a.Is6() && r.prefix.Bits() < 48 || !a.IsGlobalUnicast() {
		s.leave(r.line, r.prefix.String(), "a VIP is an IPv4 /32, or an IPv6 prefix from /48 on")
		return
	}
	role := "primary"
	if linode && slices.Equal(r.attrs.communities, []string{"65000:2"}) || r.attrs.prepend > 0 {
		role = "secondary"
	}
	t := s.doc.Add("vip."+s.names.VIP(r.prefix), r.notes...)
	t.Set("address", r.prefix.String()).Set("role", role, "the other host says the other word")
	a := r.attrs
	byRole := linode && len(a.communities) == 1 && (a.communities[0] == "65000:1" || a.communities[0] == "65000:2")
	if !byRole && (linode || len(a.communities) > 0) {
		t.Set("communities", append([]string{}, a.communities...))
	}
	if len(a.large) > 0 {
		t.Set("large_communities", a.large)
	}
	if a.med != nil {
		t.Set("med", *a.med)
	}
	if a.localPref != nil {
		t.Set("local_pref", *a.localPref)
	}
	if a.prepend > 0 {
		t.Set("prepend", min(a.prepend, 32))
	}
}

// addRoute adds a prefix once.
func (s *speaker) addRoute(r route) {
	if !s.known[r.prefix] {
		s.known[r.prefix] = true
		s.routes = append(s.routes, r)
	}
}

func newSpeaker(program, name, keys string) speaker {
	return speaker{source: newSource(program, name, keys), known: map[netip.Prefix]bool{}, backend: program}
}

// community gives a community as the config has it; the well-known names are
// alike but for the case and a dash.
func community(text string) (string, bool) {
	switch word := strings.ToLower(text); word {
	case "no-export", "no-advertise", "graceful-shutdown":
		return word, true
	case "gshut":
		return "graceful-shutdown", true
	}
	high, low, ok := strings.Cut(text, ":")
	_, err1 := strconv.ParseUint(high, 10, 16)
	_, err2 := strconv.ParseUint(low, 10, 16)
	return text, ok && err1 == nil && err2 == nil
}

func large(text string) bool {
	parts := strings.Split(text, ":")
	for _, p := range parts {
		if _, err := strconv.ParseUint(p, 10, 32); err != nil {
			return false
		}
	}
	return len(parts) == 3
}

// count reads a number up to most, and 0 for what is none.
func count(text string, most uint64) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > most {
		return 0
	}
	return uint32(n)
}
