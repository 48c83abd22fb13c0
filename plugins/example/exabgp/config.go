package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// neighbor writes ExaBGP's configuration of one peer.
func neighbor(s plugins.Speaker, p plugins.Peer) (string, error) {
	source, err := source(p)
	if err != nil {
		return "", err
	}
	// ExaBGP takes a word in quotes as it is, but knows no way to write a quote in it.
	if strings.ContainsAny(p.Password, "'\"\\\n;{}") {
		return "", fmt.Errorf("the password of peer %s has one of ' \" \\ ; { } or a line's end, for which ExaBGP has no words: %w", p.Name, plugins.ErrUnsupported)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "neighbor %s {\n  router-id %s;\n  local-address %s;\n  local-as %d;\n  peer-as %d;\n  hold-time %d;\n",
		p.Addr, s.RouterID, source, s.ASN, p.ASN, int(p.Hold.Seconds()))
	// What is set here is not looked up, which takes seconds where no DNS answers.
	b.WriteString("  host-name stentor;\n  domain-name stentor;\n")
	if p.TTL > 0 {
		fmt.Fprintf(&b, "  outgoing-ttl %d;\n", p.TTL)
	} else if p.ASN != s.ASN {
		b.WriteString("  outgoing-ttl 1;\n")
	}
	if p.Password != "" {
		fmt.Fprintf(&b, "  md5-password '%s';\n", p.Password)
	}
	// Routes are kept here and not in ExaBGP, which would send those of the last
	// session before it is known what the next one's peer can take.
	b.WriteString(`  adj-rib-out false;
  capability { nexthop; }
  family { ipv4 unicast; ipv6 unicast; }
  nexthop { ipv4 unicast ipv6; }
  api { processes [ stentor ]; neighbor-changes; negotiated; fsm; send { parsed; update; notification; } receive { parsed; notification; } }
}
`)
	return b.String(), nil
}

// mute is the same configuration of a neighbor that ExaBGP does not dial.
func mute(config string) string { return strings.Replace(config, "{\n", "{\n  passive true;\n", 1) }

// source is the session's own address: the one that the kernel would choose,
// as ExaBGP wants to be told.
func source(p plugins.Peer) (netip.Addr, error) {
	if p.LocalAddr.IsValid() {
		return p.LocalAddr, nil
	}
	conn, err := net.Dial("udp", netip.AddrPortFrom(p.Addr, 179).String()) // no packet is sent
	if err != nil {
		return netip.Addr{}, fmt.Errorf("peer %s: %w: %w", p.Name, err, plugins.ErrUnavailable)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// route is one prefix in ExaBGP's words.
type route struct {
	nextHop    netip.Addr // not set: the session's own address
	attributes string
}

func (r route) String() string {
	if r.nextHop.IsValid() {
		return "next-hop " + r.nextHop.String() + r.attributes
	}
	return strings.TrimSpace(r.attributes)
}

func newRoute(asn uint32, p plugins.Peer, a plugins.Announcement) route {
	var b strings.Builder
	list := func(key string, words []string) {
		if len(words) > 0 {
			fmt.Fprintf(&b, " %s [ %s ]", key, strings.Join(words, " "))
		}
	}
	number := func(key string, n *uint32) {
		if n != nil {
			fmt.Fprintf(&b, " %s %d", key, *n)
		}
	}
	list("community", sorted(a.Communities))
	list("large-community", sorted(a.LargeCommunities))
	number("med", a.MED)
	if p.ASN == asn {
		number("local-preference", a.LocalPref)
	}
	if a.Prepend > 0 {
		path := slices.Repeat([]string{fmt.Sprint(asn)}, a.Prepend)
		if p.ASN != asn {
			path = append(path, fmt.Sprint(asn)) // a path that is given is the whole of it
		}
		list("as-path", path)
	}
	return route{nextHop: a.NextHop, attributes: b.String()}
}

// sorted writes each of the values once.
func sorted[T fmt.Stringer](values []T) []string {
	var words []string
	for _, v := range values {
		words = append(words, v.String())
	}
	slices.Sort(words)
	return slices.Compact(words)
}
