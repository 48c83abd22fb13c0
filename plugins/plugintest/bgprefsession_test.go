package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

func (s *refSession) enter(state plugins.SessionState) {
	s.state.State, s.state.Since = state, time.Now()
}

// run dials until it is stopped.
func (s *refSession) run(ctx context.Context) {
	defer close(s.done)
	for ctx.Err() == nil {
		err := s.once(ctx)
		if ctx.Err() != nil {
			return
		}
		s.sp.mu.Lock()
		lost := s.state.State == plugins.StateEstablished
		s.conn, s.told = nil, nil
		s.state.LastError, s.state.ErrorAt, s.state.Received = fmt.Sprint(err), time.Now(), 0
		if s.bug != "says that a silent peer is up" {
			s.enter(plugins.StateIdle)
		}
		s.failures++
		wait := min(5*time.Second, 200*time.Millisecond<<min(s.failures, 5))
		s.sp.mu.Unlock()
		if lost {
			s.sp.tell(plugins.Change{Object: s.peer.Name, Why: "session lost: " + err.Error()})
			if s.bug == "gives up after a loss" {
				return
			}
		}
		if s.bug == "storms" {
			wait = time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// once is one connection from its beginning to its end.
func (s *refSession) once(ctx context.Context) error {
	if s.bug == "dials one after the other" {
		s.sp.dialling <- struct{}{}
		free := sync.OnceFunc(func() { <-s.sp.dialling })
		defer free()
		context.AfterFunc(ctx, free)
	}
	s.set(plugins.StateConnect)
	var conn net.Conn
	err := s.sp.inside(func() (err error) {
		conn, err = s.dialer().DialContext(ctx, "tcp", netip.AddrPortFrom(s.peer.Addr, 179).String())
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	s.sp.mu.Lock()
	if err := ctx.Err(); err != nil { // nobody wants it any more
		s.sp.mu.Unlock()
		return err
	}
	s.conn, s.told = conn, map[netip.Prefix]plugins.Announcement{}
	s.move(plugins.StateOpenSent)
	s.send(bgpMessage(msgOpen, s.openBody()))
	s.sp.mu.Unlock()
	err = s.listen(ctx, conn)
	var n notify
	if errors.As(err, &n) {
		s.sp.mu.Lock()
		if s.bug != "keeps errors to itself" {
			s.send(bgppeer.Error(n.code, n.sub))
		}
		s.sp.mu.Unlock()
		if s.bug == "falls over" {
			go s.sp.abort()
		}
	}
	return err
}

func (s *refSession) set(state plugins.SessionState) {
	s.sp.mu.Lock()
	defer s.sp.mu.Unlock()
	s.move(state)
}

// move enters a state on the way to established.
func (s *refSession) move(state plugins.SessionState) {
	if s.bug == "says that a silent peer is up" {
		state = plugins.StateEstablished
	}
	s.enter(state)
}

// listen works off what the peer says.
func (s *refSession) listen(ctx context.Context, conn net.Conn) error {
	hold := s.peer.Hold
	for {
		kind, body, err := s.readMessage(conn, hold)
		if err != nil {
			return err
		}
		switch kind {
		case msgOpen:
			o, err := bgppeer.ParseOpen(body)
			switch {
			case err != nil:
				return notify{2, 0, err.Error()}
			case o.ASN != s.peer.ASN && s.bug != "takes any AS":
				return notify{2, 2, "Bad Peer AS"}
			case o.RouterID == s.sp.routerID && s.bug == "wants its router ID for itself":
				return notify{2, 3, "Bad BGP Identifier"}
			case o.Hold < 3*time.Second && s.bug != "takes any Hold Time":
				return notify{2, 6, "Unacceptable Hold Time"}
			}
			hold = min(hold, o.Hold)
			s.sp.mu.Lock()
			s.offers = readOffers(o)
			s.sp.mu.Unlock()
			s.set(plugins.StateOpenConfirm)
			go s.keepalives(ctx, conn, max(time.Second, hold/3))
		case msgKeepalive:
			s.established()
		case msgUpdate:
			if err := s.take(body); err != nil {
				return err
			}
		case msgNotification:
			n, err := bgppeer.ParseNotification(body)
			if err != nil {
				return err
			}
			text := ""
			if len(n.Data) > 1 && s.bug != "drops the text of a Cease" {
				text = " " + string(n.Data[1:])
			}
			return fmt.Errorf("the peer sent NOTIFICATION %d/%d%s", n.Code, n.Subcode, text)
		default:
			return notify{1, 3, "Bad Message Type"}
		}
	}
}

// take counts the routes of an UPDATE.
func (s *refSession) take(body []byte) error {
	u, err := bgppeer.ParseUpdate(body, true)
	if err != nil {
		return notify{3, 1, err.Error()}
	}
	s.sp.mu.Lock()
	s.state.Received += len(u.Announced)
	s.sp.mu.Unlock()
	if s.bug == "installs what it gets" && len(u.Announced) > 0 {
		return s.sp.inside(exec.Command("ip", "route", "replace", u.Announced[0].String(), "dev", "lo").Run)
	}
	return nil
}

func (s *refSession) established() {
	s.sp.mu.Lock()
	defer s.sp.mu.Unlock()
	if s.state.State == plugins.StateEstablished && s.bug != "says that a silent peer is up" || s.sp.sessions[s.peer.Name] != s {
		return
	}
	s.enter(plugins.StateEstablished)
	s.state.LastError, s.state.ErrorAt = "", time.Time{}
	s.sync()
	if s.peer.BFD != nil {
		go s.bfd(s.conn)
	}
	if s.offers.graceful && s.peer.GracefulRestart > 0 && s.bug != "sends no End-of-RIB" {
		s.send(endOfRIB())
	}
	if s.bug != "tells nothing of a session that is back" || s.failures == 0 {
		go s.sp.tell(plugins.Change{Object: s.peer.Name, Why: "session established"})
	}
}

// bfd ends the connection when the BFD session that came up goes down.
func (s *refSession) bfd(conn net.Conn) {
	defer conn.Close()
	var b *bgppeer.BFD
	err := s.sp.inside(func() (err error) {
		b, err = bgppeer.StartBFD(s.peer.LocalAddr, s.peer.Addr, s.peer.BFD.TX)
		return err
	})
	if err != nil {
		return
	}
	defer b.Close()
	for up := false; b.Up() || !up || s.bug == "does not look at BFD"; up = up || b.Up() {
		s.sp.mu.Lock()
		live := s.conn == conn
		s.sp.mu.Unlock()
		if !live {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (s *refSession) keepalives(ctx context.Context, conn net.Conn, every time.Duration) {
	for ctx.Err() == nil {
		s.sp.mu.Lock()
		live := s.conn == conn
		if live {
			s.send(bgppeer.Keepalive())
		}
		s.sp.mu.Unlock()
		if !live {
			return
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
		}
	}
}

// dialer sets key, TTL and source of a connection.
func (s *refSession) dialer() *net.Dialer {
	d := &net.Dialer{Timeout: 3 * time.Second}
	d.SetMultipathTCP(false)
	if s.peer.LocalAddr.IsValid() && s.bug != "leaves the source to the kernel" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.peer.LocalAddr, 0))
	}
	d.Control = func(_, _ string, rc syscall.RawConn) error {
		var err error
		set := func(fd int) error {
			level, hops, least := unix.IPPROTO_IP, unix.IP_TTL, unix.IP_MINTTL
			if s.peer.Addr.Is6() {
				level, hops, least = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_MINHOPCOUNT
			}
			ttl := max(1, s.peer.TTL)
			if s.bug == "always sends with TTL 1" {
				ttl = 1
			}
			if s.peer.TTLSecurity > 0 {
				ttl = 255
				if s.bug != "does not look at the TTL" {
					if err := unix.SetsockoptInt(fd, level, least, 256-s.peer.TTLSecurity); err != nil {
						return err
					}
				}
			}
			if err := unix.SetsockoptInt(fd, level, hops, ttl); err != nil || s.peer.Password == "" || s.bug == "ignores passwords" {
				return err
			}
			return setKey(fd, s.peer.Addr, s.peer.Password)
		}
		return errors.Join(rc.Control(func(fd uintptr) { err = set(int(fd)) }), err)
	}
	return d
}

// setKey puts a TCP-MD5 key for an IPv6 peer on a socket; the suite has no other with a key.
func setKey(fd int, addr netip.Addr, key string) error {
	sig := unix.TCPMD5Sig{Addr: unix.SockaddrStorage{Family: unix.AF_INET6}, Keylen: uint16(len(key))}
	a := addr.As16()
	copy(sig.Addr.Data[6:], a[:])
	copy(sig.Key[:], key)
	return unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, &sig)
}
