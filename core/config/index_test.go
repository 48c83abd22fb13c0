package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPositions finds keys and values in every form that TOML has for them.
func TestPositions(t *testing.T) {
	const text = `top = 1 # c
"q.k" = 'v'
a.b . "c" = [1, [2], {d = 3}]
[t . u]
	long = """
x"""
in = { x = 1, # c
  y.z = 2 }
[[aot]]
n = 1
[[aot]]
  n = 22
[aot.sub]
n = 3
`
	src := newSource("f", []byte(text))
	s, p := scan(src.data)
	if p != nil {
		t.Fatalf("%+v", p)
	}
	for _, c := range []struct{ path, key, val string }{
		{"top", "1:1 3", "1:7 1"},
		{"q.k", "2:1 5", "2:9 3"},
		{"a", "3:1 1", "3:1 1"},
		{"a/b/c", "3:7 3", "3:13 17"},
		{"a/b/c/#0", "", "3:14 1"},
		{"a/b/c/#1/#0", "", "3:18 1"},
		{"a/b/c/#2/d", "3:23 1", "3:27 1"},
		{"t", "4:2 1", "4:1 7"},
		{"t/u", "4:6 1", "4:1 7"},
		{"t/u/long", "5:2 4", "5:9 3"},
		{"t/u/in", "7:1 2", "7:6 12"},
		{"t/u/in/x", "7:8 1", "7:12 1"},
		{"t/u/in/y/z", "8:5 1", "8:9 1"},
		{"aot/#0/n", "10:1 1", "10:5 1"},
		{"aot/#1/n", "12:3 1", "12:7 2"},
		{"aot/#1/sub/n", "14:1 1", "14:5 1"},
	} {
		n := s.root
		for _, k := range strings.Split(c.path, "/") {
			var i int
			if _, err := fmt.Sscanf(k, "#%d", &i); err == nil {
				n = n.elems[i]
			} else {
				n = n.keys[k]
			}
			if n == nil {
				t.Fatalf("%s: no %s", c.path, k)
			}
		}
		at := func(s span) string {
			pos, length, _ := place{src, s}.resolve()
			return fmt.Sprintf("%d:%d %d", pos.Line, pos.Col, length)
		}
		if got := at(n.key); c.key != "" && got != c.key {
			t.Errorf("key of %s is at %s, want %s", c.path, got, c.key)
		}
		if got := at(n.val); got != c.val {
			t.Errorf("value of %s is at %s, want %s", c.path, got, c.val)
		}
	}
}

// TestOverlaps compares with the comparison of all pairs.
func TestOverlaps(t *testing.T) {
	prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := netip.AddrFrom4([4]byte{10, 0, rapid.Byte().Draw(t, "c") & 3, rapid.Byte().Draw(t, "d") & 7})
		return netip.PrefixFrom(a, rapid.IntRange(22, 32).Draw(t, "bits")).Masked()
	})
	rapid.Check(t, func(t *rapid.T) {
		prefixes := rapid.SliceOfNDistinct(prefix, 0, 12, rapid.ID).Draw(t, "prefixes")
		src := newSource("f", []byte(strings.Repeat("x\n", len(prefixes))))
		var vips []*vip
		for i, p := range prefixes {
			at := &value{src: src, node: &node{val: span{2 * i, 2*i + 1}}}
			vips = append(vips, &vip{vipAddress: vipAddress{prefix: p}, at: at, t: &table{label: "[vip.x]"}})
		}
		b := &builder{report: &report{}}
		b.overlaps(vips)
		var got, want []int
		for _, f := range b.sorted() {
			got = append(got, f.Line)
		}
		for i, p := range prefixes {
			if slices.ContainsFunc(prefixes, func(q netip.Prefix) bool { return p != q && q.Bits() < p.Bits() && q.Contains(p.Addr()) }) {
				want = append(want, i+1)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v: warned at %v, want %v", prefixes, got, want)
		}
	})
}

// TestWithoutBackends: a caller that knows no backends takes every name.
func TestWithoutBackends(t *testing.T) {
	const text = "[network]\nbackend = \"mine\"\nlink = \"eth1\"\n[bgp]\nbackend = \"yours\"\nasn = 65001\non_exit = \"keep\"\n" +
		"[bgp.peer.a]\naddress = \"192.0.2.1\"\nasn = 64512\n[vip.web]\naddress = \"203.0.113.1/32\"\nrole = \"primary\"\n[backend.mine]\nx = 1\n"
	cfg, _, err := load(&report{}, []*source{newSource("f", []byte(text))}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Network.Backend != "mine" || cfg.BGP.Backend != "yours" || cfg.VIPs[0].Link != "eth1" || cfg.BGP.OnExit != OnExitKeep {
		t.Errorf("%+v", cfg)
	}
}
