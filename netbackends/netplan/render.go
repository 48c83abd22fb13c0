package netplan

import (
	"strconv"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/dropin"
	"github.com/stentor-net/stentor/plugins"
)

// render writes our file. Netplan merges it with others by id, and adds its
// list of addresses to theirs. The match stands there even if theirs has it:
// without their file, an id of another name would be a link of that name.
func render(id string, vips []plugins.VIP) []byte {
	var b strings.Builder
	b.WriteString(dropin.Manual(own))
	b.WriteString("network:\n  version: 2\n  ethernets:\n    " + strconv.Quote(id) + ":\n      match: {name: lo}\n      addresses:\n")
	for _, v := range vips {
		b.WriteString("        " + dropin.Comment(v) + "\n")
		if v.Addr.Is6() {
			// Preferred lifetime 0: it serves, and is not chosen as a source
			// (RFC 6724 §5, rule 3).
			b.WriteString("        - \"" + v.Prefix().String() + "\": {lifetime: 0}\n")
			continue
		}
		b.WriteString("        - " + v.Prefix().String() + "\n")
	}
	return []byte(b.String())
}

// prefixes reads the addresses back from our file, as networkd is to have them.
func prefixes(ours []byte) []string {
	var all []string
	for _, v := range dropin.Named(ours) {
		all = append(all, v.Prefix().String())
	}
	return all
}
