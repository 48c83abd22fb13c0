// Package bgppeer is a scripted BGP speaker for tests: it accepts sessions,
// records what the far side says and when, and misbehaves on demand.
//
// It keeps no policy and installs nothing. All it takes is held in memory, so
// a test that sends it much must be short.
package bgppeer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Config describes one Peer. The zero value of each switch is the behaviour of
// a sound route server with both address families and RFC 8950.
type Config struct {
	Listen   netip.AddrPort // BGP speaks on port 179
	ASN      uint32
	RouterID netip.Addr    // an IPv4 address; zero means 192.0.2.1
	Hold     time.Duration // Hold Time offered; zero means 9 s

	NoIPv4, NoIPv6    bool // do not offer the address family
	NoExtendedNextHop bool // do not offer RFC 8950
	NoFourOctetAS     bool // do not offer RFC 6793
	// GracefulRestart is the Restart Time offered; 0 does not offer it.
	GracefulRestart time.Duration

	// MD5 holds a TCP-MD5 key (RFC 2385) for each remote address that must use one.
	MD5 map[netip.Addr]string
	// TTL is that of what is sent; 0 leaves it to the kernel.
	TTL int
	// MinTTL has the kernel drop all that arrives with a lower TTL (RFC 5082); 0 takes any.
	MinTTL int
	// Routes is how many IPv4 routes are sent once a session is established.
	Routes int
	// KeepaliveDelay holds back the KEEPALIVE that ends OpenConfirm.
	KeepaliveDelay time.Duration
	// RawOpen is sent in place of an OPEN of this Config.
	RawOpen []byte
	// CeaseAtOnce answers each established session with Cease/Administrative Reset.
	CeaseAtOnce bool
	// Mute accepts the connection and never says a word.
	Mute bool
}

// filled gives c with its defaults.
func (c Config) filled() Config {
	if !c.RouterID.IsValid() {
		c.RouterID = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	}
	if c.Hold == 0 {
		c.Hold = 9 * time.Second
	}
	return c
}

// Peer is one listening speaker. Its methods may be called at any time from
// any goroutine.
type Peer struct {
	cfg      Config
	listener *net.TCPListener
	log      history
	done     sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	sessions map[*session]struct{}
}

// Start listens and serves until Close.
func Start(cfg Config) (*Peer, error) {
	cfg = cfg.filled()
	lc := net.ListenConfig{Control: func(_, _ string, rc syscall.RawConn) error {
		return errors.Join(setKeys(rc, cfg.MD5), setTTL(rc, cfg))
	}}
	// A multipath TCP socket, Go's default, has no TCP-MD5 and no TTL option.
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", cfg.Listen.String())
	if err != nil {
		return nil, fmt.Errorf("bgppeer: %w", err)
	}
	p := &Peer{cfg: cfg, listener: l.(*net.TCPListener), sessions: map[*session]struct{}{}}
	p.log.init()
	p.done.Go(p.accept)
	return p, nil
}

// Addr is where the Peer listens, with the port that Listen left open.
func (p *Peer) Addr() netip.AddrPort { return p.listener.Addr().(*net.TCPAddr).AddrPort() }

// Close stops listening, resets every connection, and waits until all is quiet.
func (p *Peer) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Reset()
	p.done.Wait()
	return err
}

func (p *Peer) accept() {
	for n := 1; ; n++ {
		conn, err := p.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		remote := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
		s := &session{cfg: p.cfg, conn: conn, record: func(e Event) {
			e.Session, e.Remote = n, netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
			p.log.add(e)
		}}
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			conn.Close()
			continue
		}
		p.sessions[s] = struct{}{}
		p.mu.Unlock()
		p.done.Go(func() {
			s.run()
			p.mu.Lock()
			delete(p.sessions, s)
			p.mu.Unlock()
		})
	}
}

// each calls f with every live session.
func (p *Peer) each(f func(*session)) {
	p.mu.Lock()
	live := make([]*session, 0, len(p.sessions))
	for s := range p.sessions {
		live = append(live, s)
	}
	p.mu.Unlock()
	for _, s := range live {
		f(s)
	}
}

// Send writes raw octets to every session.
func (p *Peer) Send(raw []byte) { p.each(func(s *session) { s.write(raw) }) }

// Hangup writes raw octets, a NOTIFICATION most likely, and closes every session.
func (p *Peer) Hangup(raw []byte) {
	p.each(func(s *session) {
		s.write(raw)
		s.conn.Close()
	})
}

// Reset cuts every connection with a TCP RST.
func (p *Peer) Reset() {
	p.each(func(s *session) {
		s.conn.SetLinger(0)
		s.conn.Close()
	})
}

// Silence stops the KEEPALIVEs of every session; the far side's Hold Timer runs out.
func (p *Peer) Silence() { p.each(func(s *session) { s.silent.Store(true) }) }
