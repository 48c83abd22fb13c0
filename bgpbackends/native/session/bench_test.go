package session

import (
	"net/netip"
	"testing"
)

// BenchmarkUpdate is what 10,000 announcements to one peer cost.
func BenchmarkUpdate(b *testing.B) {
	var prefixes []netip.Prefix
	for i := range 10000 {
		prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 32))
	}
	for b.Loop() {
		ribOut{}.update(modern(), routes(primary, prefixes...))
	}
}
