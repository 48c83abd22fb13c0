package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// nameForm is what backends can make identifiers, labels and file names of.
var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

const nameRule = "a name is up to 32 of a-z, 0-9, - and _, and starts with a letter or digit"

// name reads the name of a backend or a peer.
func name(s string) (string, *mistake) {
	if !nameForm.MatchString(s) {
		return "", &mistake{fmt.Sprintf("%q is no name", s), nameRule}
	}
	return s, nil
}

// link reads the kernel's name of a network interface (ip-link(8): at most 15
// bytes, no slash, no blank).
func link(s string) (string, *mistake) {
	if s == "" || len(s) > 15 || s == "." || s == ".." || strings.ContainsAny(s, "/ \t\n:%") {
		return "", &mistake{fmt.Sprintf("%q is no name of a link", s), "`ip link` lists them"}
	}
	return s, nil
}

// asn reads an AS number that a speaker can have.
func asn(r *report, v *value) (any, bool) {
	out, ok := integer[uint32](1, 4294967295)(r, v)
	if !ok {
		return nil, false
	}
	var why string
	switch out {
	case uint32(23456):
		why = "AS_TRANS (RFC 6793 §9)"
	case uint32(65535), uint32(4294967295):
		why = "reserved (RFC 7300)"
	default:
		return out, true
	}
	r.fail(v.whole(), "private use is 64512 to 65534, and 4200000000 to 4294967294 (RFC 6996)", "%s %d is %s", v.key, out, why)
	return nil, false
}

// routerID reads a BGP Identifier: four octets that are not all zero
// (RFC 6286 §2.1), written like an IPv4 address.
func routerID(s string) (netip.Addr, *mistake) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() || a.IsUnspecified() {
		return a, &mistake{fmt.Sprintf("%q is no BGP Identifier", s), `four numbers as in an IPv4 address, not 0.0.0.0: "192.0.2.7"`}
	}
	return a, nil
}

// anyAddress reads the address of a peer or of a session's own end.
func anyAddress(s string) (netip.Addr, *mistake) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil && strings.Contains(s, "/"):
		return a, &mistake{fmt.Sprintf("%q is no address", s), "leave the prefix length out"}
	case err != nil:
		return a, &mistake{fmt.Sprintf("%q is no address", s), `an IPv4 or IPv6 address, not a name: "192.0.2.1", "2001:db8::1"`}
	case a.IsUnspecified() || a.IsMulticast():
		return a, &mistake{s + " is not the address of one host", ""}
	case a.Is4In6():
		return a, &mistake{s + " is an IPv4 address in IPv6 form", fmt.Sprintf("write %q", a.Unmap())}
	case a.Zone() != "" && !a.IsLinkLocalUnicast():
		return a, &mistake{s + " has a zone and is not link-local", fmt.Sprintf("write %q", a.WithZone(""))}
	case a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "":
		return a, &mistake{s + " is link-local and names no link", fmt.Sprintf(`write the link after it: "%s%%eth0"`, s)}
	}
	return a, nil
}

// nextHop reads the address that peers shall forward to.
func nextHop(s string) (netip.Addr, *mistake) {
	a, m := anyAddress(s)
	if m == nil && (a.IsLoopback() || a.IsLinkLocalUnicast()) {
		m = &mistake{s + " can't be reached from the peers", "leave it out: the next hop is then the session's own address"}
	}
	return a, m
}

// vipAddress is where a VIP stands on the host and what is announced for it.
type vipAddress struct {
	addr   netip.Addr
	prefix netip.Prefix
}

// minLength6 is the shortest IPv6 prefix that one host may attract.
const minLength6 = 48

func parseVIP(s string) (vipAddress, *mistake) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return vipAddress{}, badVIP(s)
	}
	a := p.Addr()
	if why := notShareable(a); why != "" {
		return vipAddress{}, &mistake{s + " is " + why, "a VIP is a unicast address that the network routes to this host"}
	}
	switch {
	case a.Is4In6():
		return vipAddress{}, &mistake{s + " is an IPv4 address in IPv6 form", fmt.Sprintf(`write "%s/32"`, a.Unmap())}
	case a.Is4() && p.Bits() != 32:
		return vipAddress{}, &mistake{s + " must be a /32", fmt.Sprintf(`write "%s/32": an IPv4 VIP is one address`, a)}
	case a.Is6() && p.Bits() < minLength6:
		return vipAddress{}, &mistake{fmt.Sprintf("%s is shorter than /%d", s, minLength6), "an IPv6 VIP is a /128, or a prefix such as /64 or /56"}
	}
	// A range is put on the host as one address, the one written. With all host
	// bits zero that would be the Subnet-Router anycast address (RFC 4291
	// §2.6.1), so it is the next one then.
	if p.Bits() < a.BitLen() && a == p.Masked().Addr() {
		a = a.Next()
	}
	return vipAddress{a, p.Masked()}, nil
}

// badVIP tells what keeps s from being an address with a length.
func badVIP(s string) *mistake {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		if a.Is4() {
			return &mistake{fmt.Sprintf("%q has no prefix length", s), fmt.Sprintf(`write "%s/32"`, s)}
		}
		return &mistake{fmt.Sprintf("%q has no prefix length", s), fmt.Sprintf(`write "%s/128", or "%s/64" to announce the whole /64`, s, s)}
	}
	if host, zone, ok := strings.Cut(s, "%"); ok {
		_, bits, _ := strings.Cut(zone, "/")
		return &mistake{fmt.Sprintf("%q has a zone", s), fmt.Sprintf(`write "%s/%s", and name the link by link = "..."`, host, bits)}
	}
	return &mistake{fmt.Sprintf("%q is no address with a length", s), `write it as "203.0.113.10/32" or "2001:db8::1/64"`}
}

// notShareable tells why no host can attract traffic for a, or "".
func notShareable(a netip.Addr) string {
	first := a.Unmap().As16()[12]
	switch {
	case a.IsUnspecified() || a.Unmap().Is4() && first == 0:
		return "in the unspecified block"
	case a.IsLoopback():
		return "a loopback address"
	case a.IsMulticast():
		return "a multicast address"
	case a.IsLinkLocalUnicast():
		return "a link-local address"
	case a.Unmap() == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "the broadcast address"
	}
	return ""
}

// community reads ASN:VALUE or a well-known name.
func community(s string) (plugins.Community, *mistake) {
	known := []string{"no-export", "no-advertise", "graceful-shutdown"}
	switch s {
	case "no-export": // RFC 1997
		return noExport, nil
	case "no-advertise":
		return noExport + 1, nil
	case "graceful-shutdown": // RFC 8326
		return plugins.GracefulShutdown, nil
	}
	c, err := plugins.ParseCommunity(s)
	if err == nil {
		return c, nil
	}
	hint := `write ASN:VALUE, each up to 65535, as in "65000:1", or one of ` + strings.Join(known, ", ")
	if _, err := plugins.ParseLargeCommunity(s); err == nil {
		hint = "three numbers are a large community: it goes into large_communities"
	} else if near := suggest(s, known); near != "" {
		hint = didYouMean(s, known)
	}
	return 0, &mistake{fmt.Sprintf("%q is no community", s), hint}
}

// largeCommunity reads GLOBAL:LOCAL1:LOCAL2.
func largeCommunity(s string) (plugins.LargeCommunity, *mistake) {
	c, err := plugins.ParseLargeCommunity(s)
	if err != nil {
		return c, &mistake{fmt.Sprintf("%q is no large community", s), `write three numbers, as in "65000:1:2"`}
	}
	return c, nil
}

// absolute reads the path of a file.
func absolute(s string) (string, *mistake) {
	if !filepath.IsAbs(s) {
		return "", &mistake{"must be an absolute path", "start it with /: the daemon's working directory is not yours"}
	}
	return filepath.Clean(s), nil
}
