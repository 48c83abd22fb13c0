package daemon

import (
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"os"
	"slices"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
)

// RouterID gives this host's BGP Identifier: the uplink's own IPv4 address,
// never a shared IP, which another host may hold at the same time. A host
// without one gets a number of its own, made of what differs between hosts
// (RFC 6286 §2.1 asks for no more than that it be unique within the AS).
func RouterID(view host.View, cfg *config.Config) netip.Addr {
	shared := func(a netip.Addr) bool {
		return slices.ContainsFunc(cfg.VIPs, func(v config.VIP) bool { return v.Prefix.Contains(a) })
	}
	if own, ok := view.OwnIPv4(shared); ok {
		return own
	}
	h := fnv.New32a()
	if id, err := os.ReadFile("/etc/machine-id"); err == nil {
		h.Write(id)
	}
	names := make([]string, 0, len(view.Links))
	for name := range view.Links {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		h.Write([]byte(name + view.Links[name].MAC))
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], max(h.Sum32(), 1)) // 0.0.0.0 is not valid
	return netip.AddrFrom4(b)
}
