package kernel

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// watchBuffer is the receive buffer of Watch, in bytes: room for a burst of
// 10,000 events of about 1 KiB.
const watchBuffer = 16 << 20

// WatchGone calls gone for each address that leaves a link, in the network
// namespace of the calling OS thread, until ctx ends; then it returns nil. Any
// other return means that events may have been missed.
func WatchGone(ctx context.Context, gone func(p netip.Prefix, index int)) error {
	updates := make(chan netlink.AddrUpdate, 64)
	done := make(chan struct{})
	var failed error // written before updates is closed, read after
	options := netlink.AddrSubscribeOptions{
		ErrorCallback:          func(err error) { failed = err },
		ReceiveBufferSize:      watchBuffer,
		ReceiveBufferForceSize: true,
	}
	if err := netlink.AddrSubscribeWithOptions(updates, done, options); err != nil {
		return fmt.Errorf("subscribe to address events: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { close(done) })
	defer func() {
		if stop() {
			close(done)
		}
	}()
	for u := range updates {
		if p := prefix(u.LinkAddress); !u.NewAddr && p.IsValid() {
			gone(p, u.LinkIndex)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("listen to address events: %w", failed)
}

func prefix(n net.IPNet) netip.Prefix {
	ip, _ := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(ip, bits)
}
