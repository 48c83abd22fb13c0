package migrate

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/stentor-net/stentor/core/draft"
)

// Config writes what the flags amount to, for the addresses that were found.
// source names where the flags stood.
func (l Lelastic) Config(source string, found []Found, left []LeftOut) ([]byte, error) {
	d := draft.Doc{Head: []string{"Made by `stentor import lelastic` from", "", "    " + source, "    " + l.String()}}
	d.Head = append(d.Head, l.differences()...)
	if len(left) > 0 {
		d.Head = append(d.Head, "", "Left out, though they stand on this host:")
		for _, o := range left {
			d.Head = append(d.Head, "  - "+o.String())
		}
	}
	if err := l.speaker(&d); err != nil {
		return nil, err
	}
	var names draft.Namer
	for _, f := range found {
		t := d.Add("vip."+names.VIP(f.Prefix), l.about(f)...)
		t.Set("address", netip.PrefixFrom(f.Addr, f.Prefix.Bits()).String()).Set("role", l.Role())
		if f.Link != "lo" && l.AllIfs {
			t.Example("link", f.Link, "where it stands now, and is used as it is")
		}
	}
	if len(found) == 0 {
		t := d.Add("vip.NAME", "No shared IP stands on this host now, so lelastic would not even start. Take the # away and write yours:")
		t.Off = true
		t.Set("address", "203.0.113.10/32").Set("role", l.Role())
	}
	return d.Bytes(), nil
}

// speaker writes [bgp], and the peers where the provider's own are not meant.
func (l Lelastic) speaker(d *draft.Doc) error {
	t := d.Add("bgp").Set("provider", "linode")
	if l.MultihopTTL != linodeTTL {
		t.Set("ttl", l.MultihopTTL, "-multihopttl")
	}
	if l.knownDC() {
		t.Set("dcid", l.DCID)
		return nil
	}
	addrs, err := l.Neighbors()
	if err != nil {
		return err
	}
	for i, a := range addrs {
		notes := []string{"-neighborpattern " + l.NeighborPattern}
		d.Add(fmt.Sprintf("bgp.peer.rs%d", i+1), notes[min(i, 1):]...).Set("address", a.String())
	}
	return nil
}

// differences are what changes for this host, beside the routes.
func (l Lelastic) differences() []string {
	say := []string{"", "What differs from lelastic:",
		"  - the BGP Identifier is this host's own, not 10.0.0.1 on every host",
		"  - an address that comes later is announced when it has a table here; one",
		"    that goes is withdrawn",
		"  - a stop withdraws the routes, and a reload keeps the sessions",
		"  - no gRPC port is open on 127.0.0.1:50051",
	}
	if l.Primary && l.Secondary {
		say = append(say, "  - -primary and -secondary are both given: lelastic takes that for primary,", "    and so does this")
	}
	if l.LogLevel != "info" || l.LogJSON {
		say = append(say, "  - logs: stentor run --log-level LEVEL --log-json")
	}
	return say
}

// about says what is to be known of one address.
func (l Lelastic) about(f Found) []string {
	var say []string
	if l.Send56 && f.Stands.Bits() == 64 && f.Addr.Is6() {
		say = append(say, fmt.Sprintf("-send56 does nothing for an address that stands as /64: lelastic announces %s. If the range is a /56, write /56 here and on the other host.", f.Prefix))
	}
	if f.Addr.Is6() && !slices.Contains([]int{56, 64}, f.Stands.Bits()) {
		say = append(say, fmt.Sprintf("It stands on %s as %s; lelastic announces the range around it.", f.Link, f.Stands))
	}
	if f.Addr == f.Prefix.Addr() && !f.Prefix.IsSingleIP() {
		say = append(say, fmt.Sprintf("%s is the range itself. Stentor puts %s on the host beside it.", f.Stands, f.Addr.Next()))
	}
	return say
}
