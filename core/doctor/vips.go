package doctor

import (
	"fmt"
	"net/netip"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
)

// places looks at where each VIP stands by now. That one stands nowhere is no
// finding: it may be added yet.
func (x *exam) places() {
	for _, v := range x.Config.VIPs {
		object := "vip " + v.Name
		if v.Link == x.View.Uplink4 || v.Link == x.View.Uplink6 {
			x.add(Warning, object, fmt.Sprintf("its link %s is the uplink: every host that holds it answers neighbours there, and IPv6 may find a duplicate", v.Link),
				fmt.Sprintf("set link = \"lo\" in [vip.%s]", v.Name))
		}
		for _, a := range x.View.Addrs[v.Addr] {
			x.place(object, v, a)
		}
	}
}

func (x *exam) place(object string, v config.VIP, a host.Addr) {
	want := netip.PrefixFrom(v.Addr, v.Addr.BitLen())
	remove := fmt.Sprintf("ip address del %s dev %s, and take it out of what put it there", a.Prefix, a.Link)
	if a.Link != v.Link {
		where := a.Link
		if a.Link == x.View.Uplink4 || a.Link == x.View.Uplink6 {
			where = "the uplink " + a.Link
		}
		x.add(Warning, object, fmt.Sprintf("%s stands on %s, the config says %s", v.Addr, where, v.Link), remove)
	}
	switch {
	case a.Prefix == want:
	case x.View.Links[a.Link].Loopback:
		x.add(Warning, object, fmt.Sprintf("%s on %s makes all of %s this host's own: it reaches none of it through the network",
			a.Prefix, a.Link, a.Prefix.Masked()), fmt.Sprintf("replace it by %s; what is announced does not depend on it", want))
	default:
		x.add(Warning, object, fmt.Sprintf("%s is %s's own address in %s, and will not move to another host with its route",
			v.Addr, a.Link, a.Prefix.Masked()), "share an address that belongs to no host")
	}
	if a.Dynamic {
		x.add(Warning, object, fmt.Sprintf("%s has a lifetime on %s: DHCP or a router advertisement gave it, and may take it away", v.Addr, a.Link),
			"share an address that belongs to no host")
	}
	if !a.Usable {
		x.add(Problem, object, fmt.Sprintf("%s on %s is tentative or a duplicate (RFC 4862 §5.4)", v.Addr, a.Link), remove)
	}
}
