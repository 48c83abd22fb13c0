package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/plugins"
)

// BenchmarkPass is what one look at 10,000 VIPs costs when nothing moved.
func BenchmarkPass(b *testing.B) {
	w := newWorld(500 * time.Millisecond)
	c := conf()
	for i := range 10_000 {
		a := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		c.VIPs = append(c.VIPs, config.VIP{Name: fmt.Sprintf("vip%05d", i), Addr: a, Prefix: netip.PrefixFrom(a, 32), Link: "lo",
			Role: config.Primary, Attrs: config.Attrs{Communities: []plugins.Community{65000<<16 | 1}}})
	}
	w.session("rs1", true)
	w.session("rs2", true)
	drains, err := OpenDrains(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	l := New(Options{
		Net: fakeNet{base{w}}, BGP: fakeBGP{base{w}}, Host: w, Drains: drains, Latches: openLatches(b, b.TempDir()), Log: slog.New(slog.DiscardHandler),
		DeriveRouterID: func(host.View, *config.Config) netip.Addr { return netip.MustParseAddr("192.0.2.7") },
	}, c)
	for {
		l.pass(context.Background(), time.Now())
		if s := l.board.now(); s.Converged && s.Healthy() {
			break
		}
		select {
		case <-l.wakeup: // a call has ended
		case <-time.After(10 * time.Second):
			b.Fatalf("stuck: %+v", l.board.now().Problems)
		}
	}
	l.lastCheck = time.Now().Add(time.Hour)
	for b.Loop() {
		l.pass(context.Background(), time.Now())
	}
}
