package bird

import (
	"net/netip"
	"slices"
	"strings"
)

// parseRoutes reads the prefixes of a reply to `show route`: each begins its
// line; what a line of spaces begins with belongs to the prefix before it.
func parseRoutes(r reply) []netip.Prefix {
	var all []netip.Prefix
	for _, l := range r {
		if l.code != codeRoutes {
			continue
		}
		word, _, _ := strings.Cut(l.text, " ")
		if p, err := netip.ParsePrefix(word); err == nil {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all)
}
