package probe

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stentor-net/stentor/core/host/hosttest"
)

// TestICMPFollowsTheAddress pings an address that moves from one host to
// another by a route, and has none for a while. The hosts differ in their TTL.
func TestICMPFollowsTheAddress(t *testing.T) {
	for _, fam := range []struct{ name, vip, net, bits, ttl string }{
		{"IPv4", "198.18.0.1", "192.0.2.", "/24", "/proc/sys/net/ipv4/ip_default_ttl"},
		{"IPv6", "2001:db8:5a::1", "2001:db8::", "/64", "/proc/sys/net/ipv6/conf/eth0/hop_limit"},
	} {
		t.Run(fam.name, func(t *testing.T) {
			client := hosttest.New(t)
			client.IP("link add br0 type bridge\nlink set br0 up\naddr add " + fam.net + "1" + fam.bits + " dev br0 nodad")
			for i, ttl := range []string{"64", "99"} {
				h := hosttest.New(t)
				client.IP(fmt.Sprintf("link add v%d type veth peer name eth0 netns %d\nlink set v%[1]d master br0 up", i, resident(t, h)))
				h.IP(fmt.Sprintf("link set lo up\nlink set eth0 up\naddr add %s%d%s dev eth0 nodad\naddr add %s dev lo", fam.net, i+2, fam.bits, fam.vip))
				h.Do(func() {
					if err := os.WriteFile(fam.ttl, []byte(ttl), 0o644); err != nil {
						t.Error(err)
					}
				})
			}
			follow(t, client, netip.MustParseAddr(fam.vip), fam.net)
		})
	}
}

func follow(t *testing.T, client *hosttest.NS, vip netip.Addr, net string) {
	var p *ICMP
	var err error
	client.Do(func() { p, err = NewICMP(vip) })
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, stop := context.WithCancel(t.Context())
	events, done := make(chan Event, 1000), make(chan struct{})
	var tally Tally
	go func() {
		defer close(done)
		Run(ctx, p, Options{Interval: 10 * time.Millisecond, Timeout: 10 * time.Second}, func(s Sample) {
			for _, e := range tally.Add(s) {
				events <- e
			}
		})
	}()
	route := "route replace " + vip.String() + " via " + net
	expect := func(kind EventKind, by string) Event {
		t.Helper()
		for deadline := time.After(20 * time.Second); ; {
			select {
			case e := <-events:
				if e.Kind == kind && e.By == by {
					return e
				}
			case <-deadline:
				t.Fatalf("no %s by %q: %s", kind, by, &tally)
			}
		}
	}
	expect(Silence, "") // there is no route yet
	client.IP(route + "2")
	expect(First, "ttl 64")
	client.IP(route + "3")
	if e := expect(Switched, "ttl 99"); e.From != "ttl 64" {
		t.Errorf("%+v", e)
	}
	client.IP("route del " + vip.String())
	if e := expect(Silence, ""); e.Err == nil || e.Err == ErrNoAnswer {
		t.Errorf("without a route it fails with %v", e.Err)
	}
	client.IP(route + "2")
	if e := expect(GapEnds, "ttl 64"); e.Gap.Lost == 0 || e.Gap.Length < 10*time.Millisecond {
		t.Errorf("%+v", e.Gap)
	}
	stop()
	<-done
	if len(tally.By) != 2 || tally.Gaps < 2 {
		t.Errorf("%s; by %v", &tally, tally.By)
	}
}

// resident is a process in ns, for the time of the test: ip(8) names a
// namespace by one.
func resident(t *testing.T, ns *hosttest.NS) int {
	t.Helper()
	cmd := exec.Command("sleep", "infinity")
	var err error
	ns.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}
