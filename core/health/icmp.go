package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"time"

	probing "github.com/prometheus-community/pro-bing"
)

// ICMP sends one echo request a run.
type ICMP struct{ Addr netip.Addr }

// Kind is "icmp".
func (ICMP) Kind() string { return "icmp" }

// Target is the address.
func (p ICMP) Target() string { return p.Addr.String() }

func (p ICMP) prepare(*shared) (ask, error) {
	return func(ctx context.Context) result {
		r, err := p.ping(ctx, false)
		if errors.Is(err, fs.ErrPermission) {
			// Ping sockets are for the groups in net.ipv4.ping_group_range
			// (icmp(7)); raw ones need CAP_NET_RAW.
			r, err = p.ping(ctx, true)
		}
		if err != nil {
			return failed(ctx, err, "")
		}
		return r
	}, nil
}

func (p ICMP) ping(ctx context.Context, raw bool) (result, error) {
	pinger := probing.New("")
	pinger.SetIPAddr(&net.IPAddr{IP: p.Addr.AsSlice(), Zone: p.Addr.Zone()})
	pinger.SetPrivileged(raw)
	pinger.SetLogger(probing.NoopLogger{})
	pinger.Count = 1
	var answer time.Duration
	pinger.OnRecv = func(pkt *probing.Packet) { answer = pkt.Rtt }
	if err := pinger.RunWithContext(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return result{}, err
	}
	if pinger.Statistics().PacketsRecv == 0 {
		return bad("no echo reply in time"), nil
	}
	return good(fmt.Sprintf("echo reply after %s", answer.Round(10*time.Microsecond))), nil
}
