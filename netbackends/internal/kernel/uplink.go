package kernel

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Uplink gives the link of the default route: IPv4 before IPv6, the lowest
// metric first. Without one it is the first link, by index, that has a global
// address and is no loopback. The error is a fs.ErrNotExist when there is none.
func (c *Conn) Uplink() (Link, error) {
	links, err := c.Links()
	if err != nil {
		return Link{}, err
	}
	byIndex := make(map[int]Link, len(links))
	for _, l := range links {
		byIndex[l.Index] = l
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		index, err := c.defaultLink(family)
		if err != nil {
			return Link{}, err
		}
		if l, ok := byIndex[index]; ok && !l.Loopback {
			return l, nil
		}
	}
	addrs, err := c.Addresses()
	if err != nil {
		return Link{}, err
	}
	var have []Link
	for _, a := range addrs {
		if l, ok := byIndex[a.Index]; ok && !l.Loopback && a.Prefix.Addr().IsGlobalUnicast() {
			have = append(have, l)
		}
	}
	if len(have) == 0 {
		return Link{}, fmt.Errorf("no link has a default route or a global address: %w", fs.ErrNotExist)
	}
	return slices.MinFunc(have, func(a, b Link) int { return cmp.Compare(a.Index, b.Index) }), nil
}

// defaultLink gives the index of the best default route's link, or 0.
func (c *Conn) defaultLink(family int) (int, error) {
	routes, err := steady(func() ([]netlink.Route, error) {
		return c.lists.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return 0, fmt.Errorf("list routes: %w", err)
	}
	index, metric := 0, 0
	for _, r := range routes {
		if r.Type != unix.RTN_UNICAST || r.Dst != nil && !r.Dst.IP.IsUnspecified() {
			continue
		}
		if ones := 0; r.Dst != nil {
			if ones, _ = r.Dst.Mask.Size(); ones > 0 {
				continue
			}
		}
		link := r.LinkIndex
		if link == 0 && len(r.MultiPath) > 0 {
			link = r.MultiPath[0].LinkIndex
		}
		if index == 0 || r.Priority < metric {
			index, metric = link, r.Priority
		}
	}
	return index, nil
}
