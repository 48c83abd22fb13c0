package host

import (
	"cmp"
	"net/netip"
	"slices"
)

// table is the state behind a View, by link index. Its changes are cheap; a
// View is made of it only when someone asks.
type table struct {
	links   map[int]Link
	addrs   map[netip.Addr][]placed // each list sorted by index, then length
	count   int                     // entries in addrs
	uplinks uplinks
}

// uplinks are the links of the default routes; index 0 is none.
type uplinks struct{ v4, v6 int }

func newTable() *table {
	return &table{links: map[int]Link{}, addrs: map[netip.Addr][]placed{}}
}

// The functions below report whether the table is another one now. The kernel
// repeats itself: "ip address replace" and every router advertisement send
// what is known already.

func (t *table) setLink(l Link) bool {
	if t.links[l.Index] == l {
		return false
	}
	t.links[l.Index] = l
	return true
}

// dropLink takes the link and what stood on it.
func (t *table) dropLink(index int) bool {
	if _, ok := t.links[index]; !ok {
		return false
	}
	delete(t.links, index)
	for a, list := range t.addrs {
		kept := slices.DeleteFunc(list, func(p placed) bool { return p.index == index })
		t.put(a, kept, len(list))
	}
	return true
}

func (t *table) setAddr(p placed) bool {
	a := p.Prefix.Addr()
	list := t.addrs[a]
	i, found := slices.BinarySearchFunc(list, p, comparePlace)
	if found {
		if list[i] == p {
			return false
		}
		list[i] = p
		return true
	}
	t.put(a, slices.Insert(list, i, p), len(list))
	return true
}

func (t *table) dropAddr(p placed) bool {
	a := p.Prefix.Addr()
	list := t.addrs[a]
	i, found := slices.BinarySearchFunc(list, p, comparePlace)
	if !found {
		return false
	}
	t.put(a, slices.Delete(list, i, i+1), len(list))
	return true
}

// put stores the list of a, which had before entries.
func (t *table) put(a netip.Addr, list []placed, before int) {
	t.count += len(list) - before
	if len(list) == 0 {
		delete(t.addrs, a)
		return
	}
	t.addrs[a] = list
}

func comparePlace(a, b placed) int {
	return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
}

// view copies the table into a View that shares nothing with it.
func (t *table) view() View {
	v := View{
		Links:   make(map[string]Link, len(t.links)),
		Addrs:   make(map[netip.Addr][]Addr, len(t.addrs)),
		Uplink4: t.links[t.uplinks.v4].Name,
		Uplink6: t.links[t.uplinks.v6].Name,
	}
	for _, l := range t.links {
		v.Links[l.Name] = l
	}
	all := make([]Addr, 0, t.count) // one allocation for all lists
	for a, list := range t.addrs {
		start := len(all)
		for _, p := range list {
			p.Link = t.links[p.index].Name
			all = append(all, p.Addr)
		}
		v.Addrs[a] = all[start:len(all):len(all)]
	}
	return v
}
