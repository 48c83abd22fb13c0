package session

import (
	"errors"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/plugins"
)

// aoAddKey is TCP_AO_ADD_KEY, and ao its struct tcp_ao_add (linux/tcp.h).
const aoAddKey = 38

type ao struct {
	addr      unix.SockaddrStorage
	algorithm [64]byte
	ifindex   int32
	flags     uint32
	_         uint16
	prefix    uint8 // bits of addr that count
	sendID    uint8
	recvID    uint8
	macLen    uint8 // 0: 12 bytes, the 96 bits of RFC 5926
	keyFlags  uint8
	keyLen    uint8
	key       [80]byte
}

// aoNames are the kernel's (Documentation/networking/tcp_ao.rst).
var aoNames = map[plugins.AOAlgorithm]string{
	"": "hmac(sha1)", plugins.AOHMACSHA1: "hmac(sha1)", plugins.AOAESCMAC: "cmac(aes128)",
}

// addAO gives a socket the key for the peer at a.
func addAO(fd int, a netip.Addr, key plugins.TCPAO) error {
	k := ao{addr: sockaddr(a), prefix: uint8(a.BitLen()), sendID: key.SendID, recvID: key.RecvID, keyLen: uint8(len(key.Key))}
	copy(k.algorithm[:], aoNames[key.Algorithm])
	copy(k.key[:], key.Key)
	return unix.SetsockoptString(fd, unix.IPPROTO_TCP, aoAddKey, unsafe.String((*byte)(unsafe.Pointer(&k)), unsafe.Sizeof(k)))
}

// LacksAO tells whether the kernel has no TCP-AO: an option that it knows
// complains of a key that is too short.
func LacksAO() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return errors.Is(unix.SetsockoptString(fd, unix.IPPROTO_TCP, aoAddKey, "short"), unix.ENOPROTOOPT)
}
