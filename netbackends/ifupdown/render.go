package ifupdown

import (
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/dropin"
	"github.com/stentor-net/stentor/plugins"
)

// render writes our file, in the one form that ifupdown, ifupdown2 and
// ifupdown-ng all take and that does no harm in any: their own "address" in a
// second stanza of lo is lost or never removed in some, and an alias lo:x
// empties lo in ifupdown-ng. "replace" and "|| true" let ifup run again, and
// keep a hook from failing lo.
func render(vips []plugins.VIP, auto bool) []byte {
	var b strings.Builder
	b.WriteString(dropin.Manual(own))
	if auto {
		b.WriteString("auto lo\n")
	}
	b.WriteString("iface lo inet loopback\n")
	for _, v := range vips {
		b.WriteString("    " + dropin.Comment(v) + "\n    up " + up(v) + "\n    down " + down(v) + "\n")
	}
	return []byte(b.String())
}

func up(v plugins.VIP) string {
	if v.Addr.Is6() {
		// As by netlink: no duplicate detection on lo, and not chosen as a
		// source while there is another (RFC 6724 §5, rule 3).
		return "ip -6 addr replace " + v.Prefix().String() + " dev lo preferred_lft 0 nodad || true"
	}
	return "ip addr replace " + v.Prefix().String() + " dev lo || true"
}

func down(v plugins.VIP) string {
	if v.Addr.Is6() {
		return "ip -6 addr del " + v.Prefix().String() + " dev lo || true"
	}
	return "ip addr del " + v.Prefix().String() + " dev lo || true"
}
