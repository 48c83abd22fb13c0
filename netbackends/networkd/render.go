package networkd

import (
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/dropin"
	"github.com/stentor-net/stentor/plugins"
)

// render writes our file; whole is one that stands alone.
func render(at string, vips []plugins.VIP, whole bool) []byte {
	var b strings.Builder
	b.WriteString(dropin.Manual(at))
	if whole {
		b.WriteString("[Match]\nName=lo\n\n")
	}
	// systemd 247 takes 127.0.0.1 and ::1 off lo when this file changes and
	// somebody reloads, unless told to keep what is configured.
	b.WriteString("[Network]\nKeepConfiguration=static\n")
	for _, v := range vips {
		b.WriteString("\n" + dropin.Comment(v) + "\n[Address]\nAddress=" + v.Prefix().String() + "\n")
		if v.Addr.Is6() {
			// As by netlink: it serves, and is not chosen as a source (RFC 6724
			// §5, rule 3); on lo there is nobody to ask for a duplicate.
			b.WriteString("PreferredLifetime=0\nDuplicateAddressDetection=none\n")
		}
	}
	return []byte(b.String())
}
