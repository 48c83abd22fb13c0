package session

import (
	"errors"
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/plugins"
)

// TestAOLayout: struct tcp_ao_add has its fields at these offsets (linux/tcp.h).
func TestAOLayout(t *testing.T) {
	var k ao
	for name, f := range map[string]struct{ got, want uintptr }{
		"alg_name": {unsafe.Offsetof(k.algorithm), 128}, "ifindex": {unsafe.Offsetof(k.ifindex), 192}, "prefix": {unsafe.Offsetof(k.prefix), 202},
		"keylen": {unsafe.Offsetof(k.keyLen), 207}, "key": {unsafe.Offsetof(k.key), 208}, "size": {unsafe.Sizeof(k), 288},
	} {
		if f.got != f.want {
			t.Errorf("%s: %d, want %d", name, f.got, f.want)
		}
	}
}

// TestAddAO: the kernel takes a key of each algorithm, or has none of it.
func TestAddAO(t *testing.T) {
	for _, a := range []plugins.AOAlgorithm{"", plugins.AOHMACSHA1, plugins.AOAESCMAC} {
		for family, addr := range map[int]string{unix.AF_INET: "192.0.2.1", unix.AF_INET6: "2001:db8::1"} {
			fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			err = addAO(fd, netip.MustParseAddr(addr), plugins.TCPAO{Key: "secret", SendID: 1, RecvID: 2, Algorithm: a})
			if LacksAO() != errors.Is(err, unix.ENOPROTOOPT) || !LacksAO() && err != nil {
				t.Errorf("%q for %s: %v; the kernel lacks it: %t", a, addr, err, LacksAO())
			}
			unix.Close(fd)
		}
	}
}
