package bgppeer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The ports of BFD control packets (RFC 5881 §4, RFC 5883 §5).
const (
	bfdSingleHop = 3784
	bfdMultihop  = 4784
)

// The states of a BFD session (RFC 5880 §4.1).
const (
	bfdAdminDown = 0
	bfdDown      = 1
	bfdInit      = 2
	bfdUp        = 3
)

// BFD is one side of a BFD session in asynchronous mode (RFC 5880), without
// authentication, single-hop and multihop alike. Its timers are fixed.
type BFD struct {
	conns  []*net.UDPConn
	every  time.Duration
	silent atomic.Bool
	done   sync.WaitGroup

	mu     sync.Mutex
	state  uint8
	theirs uint32 // the far side's discriminator
	heard  time.Time
}

// detectMult is how many missing packets make a session go down.
const detectMult = 3

// StartBFD listens at addr and sends every so often. It speaks first to the
// far side, or waits to be spoken to if that is the zero Addr.
func StartBFD(addr, far netip.Addr, every time.Duration) (*BFD, error) {
	b := &BFD{every: every, state: bfdDown}
	for _, port := range []uint16{bfdSingleHop, bfdMultihop} {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, port)))
		if err == nil {
			b.conns = append(b.conns, conn)
			err = setHops(conn, addr)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("bgppeer: BFD: %w", err), b.Close())
		}
		to := netip.AddrPortFrom(far, port)
		b.done.Go(func() { b.serve(conn, to) })
	}
	return b, nil
}

// Up tells whether the session is up.
func (b *BFD) Up() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state == bfdUp
}

// Silence stops sending, as a cut does.
func (b *BFD) Silence() { b.silent.Store(true) }

// Resume ends Silence.
func (b *BFD) Resume() { b.silent.Store(false) }

// Close stops answering.
func (b *BFD) Close() error {
	var all error
	for _, c := range b.conns {
		all = errors.Join(all, c.Close())
	}
	b.done.Wait()
	return all
}

// serve answers each packet, and sends when it is time for the next one.
func (b *BFD) serve(conn *net.UDPConn, to netip.AddrPort) {
	buf := make([]byte, 64)
	for {
		conn.SetReadDeadline(time.Now().Add(b.every))
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		final := false
		if err == nil && isBFD(buf[:n]) {
			to = netip.AddrPortFrom(from.Addr(), to.Port())
			final = b.take(buf[:n])
		}
		if to.Addr().IsValid() && !b.silent.Load() {
			conn.WriteToUDPAddrPort(b.packet(final), to) // a lost one is followed by others
		}
	}
}

// isBFD tells whether p is a control packet of version 1 (RFC 5880 §6.8.6).
func isBFD(p []byte) bool { return len(p) >= 24 && p[0]>>5 == 1 }

// take follows the far side's state (RFC 5880 §6.8.6), and tells whether it polls.
func (b *BFD) take(p []byte) (poll bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	theirs := p[1] >> 6
	b.heard = time.Now()
	b.theirs = binary.BigEndian.Uint32(p[4:])
	switch {
	case theirs == bfdAdminDown:
		b.state = bfdDown
	case b.state == bfdDown && theirs == bfdDown:
		b.state = bfdInit
	case b.state == bfdDown && theirs == bfdInit, b.state == bfdInit && theirs >= bfdInit:
		b.state = bfdUp
	case b.state == bfdUp && theirs == bfdDown:
		b.state = bfdDown
	}
	return p[1]&0x20 != 0
}

// packet is a control packet (RFC 5880 §4.1).
func (b *BFD) packet(final bool) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	const own = 0x7e57
	if b.state == bfdUp && time.Since(b.heard) > detectMult*b.every {
		b.state = bfdDown
	}
	p := make([]byte, 24)
	p[0], p[1], p[2], p[3] = 1<<5, b.state<<6, detectMult, 24
	if final {
		p[1] |= 0x10
	}
	binary.BigEndian.PutUint32(p[4:], own)
	binary.BigEndian.PutUint32(p[8:], b.theirs)
	micro := uint32(b.every / time.Microsecond)
	binary.BigEndian.PutUint32(p[12:], micro) // Desired Min TX
	binary.BigEndian.PutUint32(p[16:], micro) // Required Min RX
	return p
}

// setHops has packets go out with TTL 255 (RFC 5881 §5).
func setHops(conn *net.UDPConn, addr netip.Addr) error {
	rc, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return setTTL(rc, Config{Listen: netip.AddrPortFrom(addr, 0), TTL: 255})
}
