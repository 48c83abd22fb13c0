package host

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func at(index int, prefix string) placed {
	return placed{index: index, Addr: Addr{Prefix: netip.MustParsePrefix(prefix), Usable: true, Global: true}}
}

// TestTable compares the table with a plain list of what was put in, after any
// sequence of events, and its word on whether something changed with the Views.
func TestTable(t *testing.T) {
	prefixes := []string{"192.0.2.1/32", "192.0.2.1/24", "192.0.2.2/32", "2001:db8::1/128"}
	rapid.Check(t, func(t *rapid.T) {
		tab := newTable()
		links := map[int]string{}
		type key struct {
			index  int
			prefix string
		}
		model := map[key]bool{} // value: deprecated
		before := tab.view()
		told := false
		index := rapid.IntRange(1, 3)
		t.Repeat(map[string]func(*rapid.T){
			"link": func(t *rapid.T) {
				i := index.Draw(t, "index")
				links[i] = fmt.Sprintf("link%d%s", i, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"))
				told = tab.setLink(Link{Index: i, Name: links[i]})
			},
			"no link": func(t *rapid.T) {
				i := index.Draw(t, "index")
				if links[i] == "" {
					t.Skip("the kernel tells of links that there are")
				}
				delete(links, i)
				for k := range model {
					if k.index == i {
						delete(model, k)
					}
				}
				told = tab.dropLink(i)
			},
			"address": func(t *rapid.T) {
				i := index.Draw(t, "index")
				if links[i] == "" {
					t.Skip("no address without a link")
				}
				k := key{i, rapid.SampledFrom(prefixes).Draw(t, "prefix")}
				p := at(k.index, k.prefix)
				p.Deprecated = rapid.Bool().Draw(t, "deprecated")
				model[k] = p.Deprecated
				told = tab.setAddr(p)
			},
			"no address": func(t *rapid.T) {
				k := key{index.Draw(t, "index"), rapid.SampledFrom(prefixes).Draw(t, "prefix")}
				delete(model, k)
				told = tab.dropAddr(at(k.index, k.prefix))
			},
			"": func(t *rapid.T) {
				want := View{Links: map[string]Link{}, Addrs: map[netip.Addr][]Addr{}}
				for i, name := range links {
					want.Links[name] = Link{Index: i, Name: name}
				}
				for k, deprecated := range model {
					a := at(k.index, k.prefix).Addr
					a.Link, a.Deprecated = links[k.index], deprecated
					want.Addrs[a.Prefix.Addr()] = append(want.Addrs[a.Prefix.Addr()], a)
				}
				for _, list := range want.Addrs {
					slices.SortFunc(list, func(a, b Addr) int {
						if i := want.Links[a.Link].Index - want.Links[b.Link].Index; i != 0 {
							return i
						}
						return a.Prefix.Bits() - b.Prefix.Bits()
					})
				}
				opts := cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})
				got := tab.view()
				if d := cmp.Diff(want, got, opts); d != "" {
					t.Fatalf("(-want +got):\n%s", d)
				}
				if tab.count != len(model) {
					t.Fatalf("count is %d, want %d", tab.count, len(model))
				}
				if changed := !cmp.Equal(before, got, opts); changed != told {
					t.Fatalf("told that it changed: %v, want %v", told, changed)
				}
				before, told = got, false
			},
		})
	})
}

func TestViewIsCopiedOnce(t *testing.T) {
	h := &Host{table: newTable(), changed: make(chan struct{}, 1)}
	h.update(func(t *table) bool { return t.setAddr(at(1, "192.0.2.1/32")) })
	h.View()
	if n := testing.AllocsPerRun(10, func() { h.View() }); n != 0 {
		t.Errorf("a View without a change costs %v allocations", n)
	}
	if len(h.changed) != 1 {
		t.Error("the change was not told")
	}
	<-h.changed
	h.update(func(t *table) bool { return t.setAddr(at(1, "192.0.2.1/32")) })
	if len(h.changed) != 0 {
		t.Error("a repetition was told as a change")
	}
}

// BenchmarkView copies a table of 10,000 addresses after one has changed.
func BenchmarkView10000(b *testing.B) {
	h := &Host{table: newTable(), changed: make(chan struct{}, 1)}
	a := netip.MustParseAddr("10.0.0.0")
	for range 10_000 {
		a = a.Next()
		h.table.setAddr(placed{index: 1, Addr: Addr{Prefix: netip.PrefixFrom(a, 32)}})
	}
	flip := at(1, "192.0.2.1/32")
	for b.Loop() {
		h.update(func(t *table) bool {
			flip.Deprecated = !flip.Deprecated
			return t.setAddr(flip)
		})
		h.View()
	}
}
