package host

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Default is a default route of the main table.
type Default struct {
	Family  string // "IPv4" or "IPv6"
	Link    string
	Gateway netip.Addr // zero: none is needed on that link
}

func (d Default) String() string {
	if !d.Gateway.IsValid() {
		return fmt.Sprintf("the %s default route by %s", d.Family, d.Link)
	}
	return fmt.Sprintf("the default route via %s by %s", d.Gateway, d.Link)
}

// Defaults lists the default routes.
func Defaults() ([]Default, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	r, err := openRequester()
	if err != nil {
		return nil, err
	}
	defer r.close()
	var all []Default
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		routes, err := r.defaults(ctx, family)
		if err != nil {
			return nil, err
		}
		for _, d := range routes {
			link, err := net.InterfaceByIndex(d.index)
			if err != nil {
				continue // it went just now, and its routes with it
			}
			name := "IPv4"
			if family == unix.AF_INET6 {
				name = "IPv6"
			}
			all = append(all, Default{Family: name, Link: link.Name, Gateway: d.gateway})
		}
	}
	return all, nil
}
