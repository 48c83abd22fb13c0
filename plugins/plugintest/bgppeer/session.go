package bgppeer

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// session is one connection, from accept to close.
type session struct {
	cfg    Config
	conn   *net.TCPConn
	record func(Event)
	silent atomic.Bool
	as4    bool // both sides offered four-octet AS numbers

	writing sync.Mutex // one message at a time on the wire

	mu           sync.Mutex
	ours, theirs bool // the first KEEPALIVE of each side has passed
}

// write sends octets; an error shows as the end of the session in run.
func (s *session) write(raw []byte) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	s.conn.Write(raw)
}

// run speaks until the connection ends.
func (s *session) run() {
	defer s.conn.Close()
	s.record(Event{Kind: Accepted})
	err := s.speak()
	s.record(Event{Kind: Closed, Err: err})
}

func (s *session) speak() error {
	if s.cfg.Mute {
		_, err := io.Copy(io.Discard, s.conn)
		return err
	}
	raw := s.cfg.RawOpen
	if raw == nil {
		raw = open(s.cfg)
	}
	s.write(raw)
	stop := make(chan struct{})
	defer close(stop)
	for {
		kind, body, err := s.read()
		if err != nil {
			return err
		}
		switch kind {
		case typeOpen:
			o, err := ParseOpen(body)
			if err != nil {
				return err
			}
			_, offered := o.Capability(CapFourOctetAS)
			s.as4 = offered && !s.cfg.NoFourOctetAS
			s.record(Event{Kind: OpenReceived, Open: &o})
			go s.keepalives(min(s.cfg.Hold, o.Hold)/3, stop)
		case typeKeepalive:
			s.confirm(&s.theirs)
		case typeUpdate:
			u, err := ParseUpdate(body, s.as4)
			if err != nil {
				return err
			}
			s.record(Event{Kind: UpdateReceived, Update: &u})
		case typeNotification:
			n, err := ParseNotification(body)
			if err != nil {
				return err
			}
			s.record(Event{Kind: NotificationReceived, Notification: &n})
		case typeRouteRefresh:
		default:
			return fmt.Errorf("message of type %d", kind)
		}
	}
}

// keepalives sends the KEEPALIVE that answers an OPEN, then one each interval
// until stop.
func (s *session) keepalives(interval time.Duration, stop <-chan struct{}) {
	for wait := s.cfg.KeepaliveDelay; ; wait = interval {
		select {
		case <-stop:
			return
		case <-time.After(wait):
		}
		if !s.silent.Load() {
			s.write(Keepalive())
			s.confirm(&s.ours)
		}
		if interval <= 0 {
			return // Hold Time 0: no KEEPALIVEs (RFC 4271 §4.4)
		}
	}
}

// confirm notes one side's KEEPALIVE. With that of both the session is up.
func (s *session) confirm(side *bool) {
	s.mu.Lock()
	was := s.ours && s.theirs
	*side = true
	up := !was && s.ours && s.theirs
	s.mu.Unlock()
	if !up {
		return
	}
	s.record(Event{Kind: Established})
	s.write(routes(s.cfg, s.cfg.Routes))
	if s.cfg.CeaseAtOnce {
		s.write(Cease(4, ""))
	}
}

// read takes one message off the wire, strict in marker and length (RFC 4271 §6.1).
func (s *session) read() (kind uint8, body []byte, err error) {
	var h [headerLen]byte
	if _, err := io.ReadFull(s.conn, h[:]); err != nil {
		return 0, nil, err
	}
	for _, b := range h[:16] {
		if b != 0xff {
			return 0, nil, fmt.Errorf("bad marker % x", h[:16])
		}
	}
	n := int(binary.BigEndian.Uint16(h[16:]))
	if n < headerLen || n > maxMessage {
		return 0, nil, fmt.Errorf("message length %d", n)
	}
	body = make([]byte, n-headerLen)
	_, err = io.ReadFull(s.conn, body)
	return h[18], body, err
}
