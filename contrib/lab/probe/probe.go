// Package probe pings an address at a steady pace and tells who answered each
// request, what got lost, and when the answering host changed.
package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Probe is a running ping.
type Probe struct {
	addr     netip.Addr
	id       int // of its echo requests; raw sockets see the replies to others too
	interval time.Duration
	who      func(ttl int) string
	conn     *icmp.PacketConn
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	samples []sample
	changed chan struct{} // closed and replaced at each answer
	latest  int           // index of the request answered last; -1 before the first
	broken  error         // why no request goes out
}

// sample is one request; its index is its sequence number.
type sample struct {
	sent     time.Time
	answered time.Time // zero: not yet, or lost
	host     string
}

// Start pings addr every interval until Stop, from the network namespace of
// the calling thread. The TTL or hop limit that an answer arrives with tells
// its sender by who. It needs CAP_NET_RAW (raw(7)).
func Start(addr netip.Addr, interval time.Duration, who func(ttl int) string) (*Probe, error) {
	network, any := "ip4:icmp", "0.0.0.0"
	if addr.Is6() {
		network, any = "ip6:ipv6-icmp", "::"
	}
	conn, err := icmp.ListenPacket(network, any)
	if err != nil {
		return nil, fmt.Errorf("ping %s: %w", addr, err)
	}
	if addr.Is6() {
		err = conn.IPv6PacketConn().SetControlMessage(ipv6.FlagHopLimit, true)
	} else {
		err = conn.IPv4PacketConn().SetControlMessage(ipv4.FlagTTL, true)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("ping %s: %w", addr, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Probe{addr: addr, id: rand.IntN(1 << 16), interval: interval, who: who, conn: conn, stop: cancel, changed: make(chan struct{}), latest: -1}
	p.running.Go(func() { p.send(ctx) })
	p.running.Go(p.receive)
	return p, nil
}

// Stop ends the ping and reports all of it.
func (p *Probe) Stop() Report {
	p.stop()
	p.conn.Close()
	p.running.Wait()
	return p.Report(time.Time{})
}

// Report tells what happened to the requests sent from since on. Requests that
// may still be answered are left out.
func (p *Probe) Report(since time.Time) Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	return report(p.samples, since, time.Now())
}

// Answering is the host that answers now, or "" when nobody has for 20
// intervals (and at least 200 ms).
func (p *Probe) Answering() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latest < 0 {
		return ""
	}
	last := p.samples[p.latest]
	if time.Since(last.answered) > max(20*p.interval, 200*time.Millisecond) {
		return ""
	}
	return last.host
}

// Wait returns as soon as host answers; any host if it is "".
func (p *Probe) Wait(ctx context.Context, host string) error {
	for {
		p.mu.Lock()
		changed, broken := p.changed, p.broken
		p.mu.Unlock()
		now := p.Answering()
		if now != "" && (host == "" || now == host) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("ping %s: waiting for an answer from host %q, %s: %w", p.addr, host, p.state(now, broken), ctx.Err())
		case <-changed:
		}
	}
}

func (p *Probe) state(answering string, broken error) string {
	switch {
	case broken != nil:
		return "sending fails: " + broken.Error()
	case answering == "":
		return "nobody answers"
	}
	return fmt.Sprintf("%q answers", answering)
}

func (p *Probe) send(ctx context.Context) {
	tick := time.NewTicker(p.interval)
	defer tick.Stop()
	to := &net.IPAddr{IP: p.addr.AsSlice()}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.mu.Lock()
		seq := len(p.samples)
		p.samples = append(p.samples, sample{sent: time.Now()})
		p.mu.Unlock()
		request, err := p.request(seq).Marshal(nil)
		if err == nil {
			_, err = p.conn.WriteTo(request, to)
		}
		// An error (no route yet) is a lost request like any other.
		p.mu.Lock()
		p.broken = err
		p.mu.Unlock()
	}
}

func (p *Probe) request(seq int) *icmp.Message {
	m := &icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: p.id, Seq: seq & 0xffff}}
	if p.addr.Is6() {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	return m
}

func (p *Probe) receive() {
	buf := make([]byte, 1500)
	for {
		n, ttl, from, err := p.read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || from != p.addr {
			continue
		}
		p.answer(buf[:n], ttl)
	}
}

func (p *Probe) read(buf []byte) (n, ttl int, from netip.Addr, err error) {
	var src net.Addr
	if p.addr.Is6() {
		var cm *ipv6.ControlMessage
		if n, cm, src, err = p.conn.IPv6PacketConn().ReadFrom(buf); cm != nil {
			ttl = cm.HopLimit
		}
	} else {
		var cm *ipv4.ControlMessage
		if n, cm, src, err = p.conn.IPv4PacketConn().ReadFrom(buf); cm != nil {
			ttl = cm.TTL
		}
	}
	if ip, ok := src.(*net.IPAddr); ok {
		from, _ = netip.AddrFromSlice(ip.IP)
	}
	return n, ttl, from.Unmap(), err
}

// answer takes an echo reply; other ICMP messages are none of ours.
func (p *Probe) answer(packet []byte, ttl int) {
	proto := ipv4.ICMPTypeEchoReply.Protocol()
	if p.addr.Is6() {
		proto = ipv6.ICMPTypeEchoReply.Protocol()
	}
	m, err := icmp.ParseMessage(proto, packet)
	if err != nil || m.Type != ipv4.ICMPTypeEchoReply && m.Type != ipv6.ICMPTypeEchoReply {
		return
	}
	echo, ok := m.Body.(*icmp.Echo)
	if !ok || echo.ID != p.id {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := newest(len(p.samples), echo.Seq)
	if i < 0 || !p.samples[i].answered.IsZero() {
		return
	}
	p.samples[i].answered, p.samples[i].host = time.Now(), p.who(ttl)
	p.latest = max(p.latest, i)
	close(p.changed)
	p.changed = make(chan struct{})
}

// newest is the index of the newest of n requests whose 16 bit sequence number
// is seq, or -1.
func newest(n, seq int) int {
	i := (n-1)&^0xffff | seq
	if i >= n {
		i -= 0x10000
	}
	return i
}
