package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
)

// byLink groups the VIPs that keep says true for, by the link of the config.
func (x *exam) byLink(keep func(config.VIP) bool) map[string][]config.VIP {
	groups := map[string][]config.VIP{}
	for _, v := range x.Config.VIPs {
		if keep(v) {
			groups[v.Link] = append(groups[v.Link], v)
		}
	}
	return groups
}

func isIPv4(v config.VIP) bool { return v.Addr.Is4() }
func isIPv6(v config.VIP) bool { return v.Addr.Is6() }
func isAny(config.VIP) bool    { return true }

// links: an address on a link that is missing or down serves nobody.
func (x *exam) links() {
	for name, vips := range x.byLink(isAny) {
		link, ok := x.View.Links[name]
		switch {
		case !ok:
			x.add(CodeLinkMissing, Problem, "link "+name, fmt.Sprintf("there is no link %s for %s", name, names(vips)),
				fmt.Sprintf("make it, as with \"ip link add %s type dummy\", or name another link in the config", name))
		case !link.Up:
			hint := fmt.Sprintf("ip link set %s up", name)
			if strings.Contains(link.Why, "carrier") {
				hint = fmt.Sprintf("mend what %s is plugged into, or put the addresses on lo, which needs no carrier", name)
			}
			x.add(CodeLinkDown, Problem, "link "+name, fmt.Sprintf("%s, so it can't serve %s", link.Why, names(vips)), hint)
		}
	}
}

// ipv6: with disable_ipv6 the kernel refuses and drops IPv6 addresses.
func (x *exam) ipv6() {
	for name, vips := range x.byLink(isIPv6) {
		path := "net/ipv6/conf/" + name + "/disable_ipv6"
		value, err := x.Sysctl(path)
		_, exists := x.View.Links[name]
		switch {
		case errors.Is(err, fs.ErrNotExist) && exists:
			x.add(CodeNoIPv6, Problem, "link "+name, fmt.Sprintf("%s has no IPv6, which %s needs", name, names(vips)),
				"boot without ipv6.disable=1 and load the module ipv6; a link's MTU has to be 1280 at least (RFC 8200 §5)")
		case err == nil && value == "1":
			x.addAt(CodeIPv6Disabled, Problem, "link "+name, fmt.Sprintf("IPv6 is disabled on %s, which %s needs", name, names(vips)), set(0, path),
				x.disabledBy(name))
		}
	}
}

// arrivals are the links by which traffic for a VIP may come in. One that holds
// nothing but shared IPs, as a dummy does, is none.
func (x *exam) arrivals() []host.Link {
	global := map[string]bool{x.View.Uplink4: true, x.View.Uplink6: true}
	for addr, list := range x.View.Addrs {
		_, shared := x.shared[addr]
		for _, a := range list {
			if a.Global && !shared {
				global[a.Link] = true
			}
		}
	}
	var links []host.Link
	for _, l := range x.View.Links {
		if l.Up && !l.Loopback && global[l.Name] {
			links = append(links, l)
		}
	}
	slices.SortFunc(links, func(a, b host.Link) int { return a.Index - b.Index })
	return links
}

// reversePath: strict filtering (RFC 3704 §2.2) drops what comes in by another
// link than the answer would go out by. With one link there is no other.
func (x *exam) reversePath() {
	if !slices.ContainsFunc(x.Config.VIPs, isIPv4) {
		return
	}
	links := x.arrivals()
	if len(links) < 2 {
		return
	}
	for _, l := range links {
		if x.effective(l.Name, "rp_filter") == 1 {
			x.addAt(CodeRPFilter, Warning, "link "+l.Name,
				fmt.Sprintf("%s drops IPv4 packets whose answer would leave by another link (rp_filter=1, strict)", l.Name),
				"if such packets may come: "+set(2, "net/ipv4/conf/"+l.Name+"/rp_filter"), x.strictBy(l.Name))
		}
	}
}

// arp: with arp_ignore=0 a host answers ARP on any link for any address it
// holds (Documentation/networking/ip-sysctl), lo's too. Two hosts that do so on
// one LAN bypass the routes. With arp_announce=0 it asks in the name of a shared
// IP as well, and neighbours learn from the question.
func (x *exam) arp() {
	for _, l := range x.arrivals() {
		if l.MAC == "" {
			continue
		}
		onLink, routed := x.byNearness(l.Name)
		if len(onLink) > 0 && x.effective(l.Name, "arp_announce") < 2 {
			x.add(CodeARPAnnounce, Warning, "link "+l.Name, fmt.Sprintf("this host asks ARP on %s in the name of %s, and neighbours send to it from then on (arp_announce is not 2)",
				l.Name, names(onLink)), "if the other host is on this LAN: "+set(2, "net/ipv4/conf/"+l.Name+"/arp_announce"))
		}
		if x.effective(l.Name, "arp_ignore") != 0 {
			continue
		}
		hint := "if the other host is on this LAN: " + set(1, "net/ipv4/conf/"+l.Name+"/arp_ignore")
		if len(onLink) > 0 {
			x.add(CodeARPIgnore, Warning, "link "+l.Name, fmt.Sprintf("%s lies in a subnet of %s, and every host that holds it answers ARP there (arp_ignore=0)",
				names(onLink), l.Name), hint)
		}
		if len(routed) > 0 {
			x.add(CodeARPIgnore, Note, "link "+l.Name, fmt.Sprintf("every host that holds %s answers ARP for it on %s (arp_ignore=0)",
				names(routed), l.Name), hint)
		}
	}
}

// byNearness parts the IPv4 VIPs that are not meant for link: those that lie in
// a subnet of it, and the others.
func (x *exam) byNearness(link string) (onLink, routed []config.VIP) {
	subnets := x.subnets(link)
	for _, v := range x.Config.VIPs {
		switch {
		case !isIPv4(v) || v.Link == link:
		case slices.ContainsFunc(subnets, func(p netip.Prefix) bool { return p.Contains(v.Addr) }):
			onLink = append(onLink, v)
		default:
			routed = append(routed, v)
		}
	}
	return onLink, routed
}

// subnets are where neighbours on link find an address by ARP instead of a route.
func (x *exam) subnets(link string) []netip.Prefix {
	var all []netip.Prefix
	for _, list := range x.View.Addrs {
		for _, a := range list {
			if a.Link == link && !a.Prefix.IsSingleIP() {
				all = append(all, a.Prefix)
			}
		}
	}
	return all
}

// advertisements: a host that forwards takes no router advertisements unless
// accept_ra is 2, so the uplink's address and route expire; container engines
// switch forwarding on. Where a network stack takes them itself, accept_ra is 0.
func (x *exam) advertisements() {
	link := x.View.Uplink6
	if link == "" {
		return
	}
	conf := "net/ipv6/conf/" + link
	if x.setting(conf+"/forwarding") == 1 && x.setting(conf+"/accept_ra") == 1 {
		x.add(CodeAcceptRA, Warning, "link "+link, fmt.Sprintf("%s forwards IPv6, and so ignores router advertisements (accept_ra=1): an address or route that came by one runs out", link),
			set(2, conf+"/accept_ra"))
	}
}

// needless: advice for shared IPs often asks for these two. Here the address is
// on the host before and while it is announced.
func (x *exam) needless() {
	if x.setting("net/ipv4/ip_nonlocal_bind") == 1 && slices.ContainsFunc(x.Config.VIPs, isIPv4) {
		x.add(CodeNonlocalBind, Note, "sysctl net.ipv4.ip_nonlocal_bind",
			"it is not needed: services can bind shared IPs, as this host holds them all the time",
			"leave it, or "+set(0, "net/ipv4/ip_nonlocal_bind"))
	}
	for _, l := range x.arrivals() {
		if x.effective(l.Name, "accept_local") == 1 && slices.ContainsFunc(x.Config.VIPs, isIPv4) {
			x.add(CodeAcceptLocal, Note, "link "+l.Name,
				fmt.Sprintf("accept_local is on and not needed: %s takes packets that claim to come from this host's own addresses", l.Name),
				"leave it, or "+set(0, "net/ipv4/conf/all/accept_local", "net/ipv4/conf/"+l.Name+"/accept_local"))
		}
	}
}
