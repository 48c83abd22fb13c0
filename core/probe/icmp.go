package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// ICMP sends echo requests. Whoever answers is told apart by the TTL, or hop
// limit, that the reply arrives with: hosts at different distances, or whose
// systems begin at different values, have different ones.
type ICMP struct {
	addr  netip.Addr
	conn  *icmp.PacketConn
	raw   bool
	token [8]byte // tells our replies from those to others, which raw sockets see too

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan int // who gets the TTL of which reply
}

// NewICMP opens a ping socket, which needs no rights in the groups that
// net.ipv4.ping_group_range names (icmp(7)), else a raw one, which needs
// CAP_NET_RAW.
func NewICMP(addr netip.Addr) (*ICMP, error) {
	p := &ICMP{addr: addr, waiting: map[uint64]chan int{}}
	_, _ = rand.Read(p.token[:]) // never fails
	unprivileged, raw, any := "udp4", "ip4:icmp", "0.0.0.0"
	if addr.Is6() {
		unprivileged, raw, any = "udp6", "ip6:ipv6-icmp", "::"
	}
	var err error
	if p.conn, err = icmp.ListenPacket(unprivileged, any); errors.Is(err, fs.ErrPermission) {
		p.raw = true
		p.conn, err = icmp.ListenPacket(raw, any)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("may not send pings: run as root, or let everybody ping by: sysctl net.ipv4.ping_group_range=\"0 2147483647\": %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open a socket for pings: %w", err)
	}
	if addr.Is6() {
		err = p.conn.IPv6PacketConn().SetControlMessage(ipv6.FlagHopLimit, true)
	} else {
		err = p.conn.IPv4PacketConn().SetControlMessage(ipv4.FlagTTL, true)
	}
	if err != nil {
		p.conn.Close()
		return nil, fmt.Errorf("ask the kernel for the TTL of replies: %w", err)
	}
	go p.receive()
	return p, nil
}

// Close ends what still waits without an answer.
func (p *ICMP) Close() error { return p.conn.Close() }

// Ask sends one request.
func (p *ICMP) Ask(ctx context.Context) (by string, err error) {
	ttl, err := p.Ping(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("ttl %d", ttl), nil
}

// Ping sends one request, and gives the TTL or hop limit of the reply.
func (p *ICMP) Ping(ctx context.Context) (ttl int, err error) {
	answer := make(chan int, 1)
	p.mu.Lock()
	n := p.next
	p.next++
	p.waiting[n] = answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, n)
		p.mu.Unlock()
	}()
	request, err := p.request(n)
	if err == nil {
		_, err = p.conn.WriteTo(request, p.to())
	}
	if err != nil {
		return 0, err
	}
	select {
	case <-ctx.Done():
		return 0, ErrNoAnswer
	case ttl = <-answer:
		return ttl, nil
	}
}

func (p *ICMP) to() net.Addr {
	if p.raw {
		return &net.IPAddr{IP: p.addr.AsSlice(), Zone: p.addr.Zone()}
	}
	return &net.UDPAddr{IP: p.addr.AsSlice(), Zone: p.addr.Zone()}
}

// payload comes back with the reply: our token, and which request it is.
// The header's own numbers have 16 bits, and the kernel changes the identifier
// of a ping socket.
const payload = 16

func (p *ICMP) request(n uint64) ([]byte, error) {
	m := &icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{
		ID: int(binary.BigEndian.Uint16(p.token[:])), Seq: int(n & 0xffff),
		Data: binary.BigEndian.AppendUint64(p.token[:len(p.token):len(p.token)], n),
	}}
	if p.addr.Is6() {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	return m.Marshal(nil)
}

// reply tells which request packet answers, if any of those with token.
func reply(packet []byte, six bool, token [8]byte) (n uint64, ok bool) {
	proto, kind := ipv4.ICMPTypeEchoReply.Protocol(), icmp.Type(ipv4.ICMPTypeEchoReply)
	if six {
		proto, kind = ipv6.ICMPTypeEchoReply.Protocol(), ipv6.ICMPTypeEchoReply
	}
	m, err := icmp.ParseMessage(proto, packet)
	if err != nil || m.Type != kind {
		return 0, false
	}
	echo, ok := m.Body.(*icmp.Echo)
	if !ok || len(echo.Data) != payload || [8]byte(echo.Data) != token {
		return 0, false
	}
	return binary.BigEndian.Uint64(echo.Data[8:]), true
}

func (p *ICMP) receive() {
	buf := make([]byte, 1500)
	for {
		size, ttl, err := p.read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error that an earlier request brought about
		}
		n, ok := reply(buf[:size], p.addr.Is6(), p.token)
		if !ok {
			continue
		}
		p.mu.Lock()
		if waiting := p.waiting[n]; waiting != nil {
			delete(p.waiting, n) // a duplicate has nobody to go to
			waiting <- ttl
		}
		p.mu.Unlock()
	}
}

func (p *ICMP) read(buf []byte) (size, ttl int, err error) {
	if p.addr.Is6() {
		size, cm, _, err := p.conn.IPv6PacketConn().ReadFrom(buf)
		if cm != nil {
			ttl = cm.HopLimit
		}
		return size, ttl, err
	}
	size, cm, _, err := p.conn.IPv4PacketConn().ReadFrom(buf)
	if cm != nil {
		ttl = cm.TTL
	}
	return size, ttl, err
}
