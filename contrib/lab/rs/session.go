package rs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// What a session of this server says in NOTIFICATION messages (RFC 4271 §4.5).
const (
	cease          = bgp.BGP_ERROR_CEASE
	ceaseShutdown  = bgp.BGP_ERROR_SUB_ADMINISTRATIVE_SHUTDOWN
	ceaseCollision = bgp.BGP_ERROR_SUB_CONNECTION_COLLISION_RESOLUTION
)

// openTimeout bounds the wait for the neighbor's OPEN, where RFC 4271 §8.2.2
// would have "a large value" of 4 minutes.
const openTimeout = 10 * time.Second

// session is one connection, from its OPEN on.
type session struct {
	conn     net.Conn
	asn      uint32
	id       netip.Addr
	hold     time.Duration // offered, then the negotiated one
	neighbor Neighbor
	writing  sync.Mutex
}

// run speaks BGP on the connection until it ends, and says why it ended.
func (s *session) run(established func(), tell func(update)) error {
	if err := s.send(openMessage(s.asn, s.id, s.hold)); err != nil {
		return fmt.Errorf("send OPEN: %w", err)
	}
	s.conn.SetReadDeadline(time.Now().Add(openTimeout))
	msg, err := s.read()
	if err != nil {
		return s.ended(err)
	}
	open, ok := msg.Body.(*bgp.BGPOpen)
	if !ok {
		return s.ended(fsmError("OPEN", msg))
	}
	peerHold, err := checkOpen(open, s.neighbor.ASN)
	if err != nil {
		return s.ended(err)
	}
	s.hold = min(s.hold, peerHold)
	if err := s.send(bgp.NewBGPKeepAliveMessage()); err != nil {
		return fmt.Errorf("send KEEPALIVE: %w", err)
	}
	s.restartHold()
	if msg, err = s.read(); err != nil {
		return s.ended(err)
	}
	if msg.Header.Type != bgp.BGP_MSG_KEEPALIVE {
		return s.ended(fsmError("KEEPALIVE", msg))
	}
	established()
	stop := make(chan struct{})
	defer close(stop)
	go s.keepalive(stop)
	return s.ended(s.receive(tell))
}

// receive is the established state.
func (s *session) receive(tell func(update)) error {
	for {
		s.restartHold()
		msg, err := s.read()
		if err != nil {
			return err
		}
		switch body := msg.Body.(type) {
		case *bgp.BGPUpdate:
			u, err := parseUpdate(body, s.neighbor.ASN == s.asn)
			if err != nil {
				return err
			}
			tell(u)
		case *bgp.BGPNotification:
			return &notification{code: body.ErrorCode, subcode: body.ErrorSubcode}
		case *bgp.BGPKeepAlive, *bgp.BGPRouteRefresh:
		default:
			return fsmError("UPDATE, KEEPALIVE or NOTIFICATION", msg)
		}
	}
}

// restartHold restarts the hold timer, which is the read deadline; 0 is none.
func (s *session) restartHold() {
	var deadline time.Time
	if s.hold > 0 {
		deadline = time.Now().Add(s.hold)
	}
	s.conn.SetReadDeadline(deadline)
}

func (s *session) keepalive(stop <-chan struct{}) {
	if s.hold == 0 {
		return
	}
	tick := time.NewTicker(s.hold / 3)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			if s.send(bgp.NewBGPKeepAliveMessage()) != nil {
				return // the reader sees the end too, and says why
			}
		}
	}
}

// ended turns the error that ended the session into its reason, after the
// neighbor was told where the protocol has a word for it.
func (s *session) ended(err error) error {
	var wrong *bgp.MessageError
	var told *notification
	switch {
	case errors.As(err, &told):
		return err
	case errors.As(err, &wrong):
		s.notify(wrong.TypeCode, wrong.SubTypeCode, wrong.Data)
		return fmt.Errorf("sent NOTIFICATION %d/%d: %s", wrong.TypeCode, wrong.SubTypeCode, wrong.Message)
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.notify(bgp.BGP_ERROR_HOLD_TIMER_EXPIRED, 0, nil)
		return errors.New("hold timer expired")
	case errors.Is(err, io.EOF):
		return errors.New("connection closed without a NOTIFICATION")
	case errors.Is(err, syscall.ECONNRESET):
		return errors.New("connection reset without a NOTIFICATION")
	}
	return err
}

// notification is a NOTIFICATION that the neighbor sent.
type notification struct{ code, subcode uint8 }

func (n *notification) Error() string {
	return fmt.Sprintf("received NOTIFICATION %d/%d", n.code, n.subcode)
}

func fsmError(want string, got *bgp.BGPMessage) error {
	if n, ok := got.Body.(*bgp.BGPNotification); ok {
		return &notification{code: n.ErrorCode, subcode: n.ErrorSubcode}
	}
	return bgp.NewMessageError(bgp.BGP_ERROR_FSM_ERROR, 0, nil,
		fmt.Sprintf("message of type %d where %s was due", got.Header.Type, want))
}

func (s *session) shutdown() {
	s.notify(cease, ceaseShutdown, nil)
	s.conn.Close()
}

func (s *session) kill() {
	// With a linger of 0 the close sends RST and forgets what is still queued,
	// as the kernel does for a host that went down.
	if c, ok := s.conn.(*net.TCPConn); ok {
		c.SetLinger(0)
	}
	s.conn.Close()
}

func (s *session) notify(code, subcode uint8, data []byte) {
	// Best effort: the connection ends right after, whether it arrives or not.
	_ = s.send(bgp.NewBGPNotificationMessage(code, subcode, data))
}

// babble sends a header of type 9, with nothing after it.
func (s *session) babble() {
	b := bytes.Repeat([]byte{0xff}, bgp.BGP_HEADER_LENGTH)
	b[16], b[17], b[18] = 0, bgp.BGP_HEADER_LENGTH, 9
	_ = s.write(b) // a session that is gone can't be disturbed
}

func (s *session) send(m *bgp.BGPMessage) error {
	b, err := m.Serialize()
	if err != nil {
		return err
	}
	return s.write(b)
}

func (s *session) write(b []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, err := s.conn.Write(b)
	return err
}

// read gives the next message. The codec does not look at the marker, so it is
// checked here (RFC 4271 §6.1).
func (s *session) read() (*bgp.BGPMessage, error) {
	head := make([]byte, bgp.BGP_HEADER_LENGTH)
	if _, err := io.ReadFull(s.conn, head); err != nil {
		return nil, err
	}
	for _, b := range head[:16] {
		if b != 0xff {
			return nil, bgp.NewMessageError(bgp.BGP_ERROR_MESSAGE_HEADER_ERROR, bgp.BGP_ERROR_SUB_CONNECTION_NOT_SYNCHRONIZED, nil, "bad marker")
		}
	}
	length := int(binary.BigEndian.Uint16(head[16:18]))
	if length < bgp.BGP_HEADER_LENGTH || length > bgp.BGP_MAX_MESSAGE_LENGTH {
		return nil, bgp.NewMessageError(bgp.BGP_ERROR_MESSAGE_HEADER_ERROR, bgp.BGP_ERROR_SUB_BAD_MESSAGE_LENGTH, head[16:18], fmt.Sprintf("message length %d", length))
	}
	message := append(head, make([]byte, length-len(head))...)
	if _, err := io.ReadFull(s.conn, message[len(head):]); err != nil {
		return nil, err
	}
	return bgp.ParseBGPMessage(message)
}
