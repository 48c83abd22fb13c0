package plugintest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// The message types of RFC 4271 §4.1.
const (
	msgOpen         = 1
	msgUpdate       = 2
	msgNotification = 3
	msgKeepalive    = 4
)

// notify is an error that the peer is told (RFC 4271 §6).
type notify struct {
	code, sub uint8
	why       string
}

func (n notify) Error() string { return fmt.Sprintf("%s (%d/%d)", n.why, n.code, n.sub) }

func bgpMessage(kind uint8, body []byte) []byte {
	m := slices.Repeat([]byte{0xff}, 16)
	m = binary.BigEndian.AppendUint16(m, uint16(19+len(body)))
	return append(append(m, kind), body...)
}

// readMessage takes one message off the wire within the Hold Time.
func (s *refSession) readMessage(conn net.Conn, hold time.Duration) (uint8, []byte, error) {
	if s.bug != "waits for ever" {
		conn.SetReadDeadline(time.Now().Add(hold))
	}
	var h [19]byte
	if _, err := io.ReadFull(conn, h[:]); err != nil {
		return 0, nil, timedOut(err)
	}
	if !slices.Equal(h[:16], slices.Repeat([]byte{0xff}, 16)) && s.bug != "does not look at the marker" {
		return 0, nil, notify{1, 1, "Connection Not Synchronized"}
	}
	n := int(binary.BigEndian.Uint16(h[16:]))
	if n < 19 || n > 4096 {
		return 0, nil, notify{1, 2, "Bad Message Length"}
	}
	body := make([]byte, n-19)
	_, err := io.ReadFull(conn, body)
	return h[18], body, timedOut(err)
}

func timedOut(err error) error {
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return notify{4, 0, "Hold Timer Expired"}
	}
	return err
}

// openBody is our OPEN, without the header.
func (s *refSession) openBody() []byte {
	caps := []byte{1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1, 5, 6, 0, 1, 0, 1, 0, 2, 65, 4}
	caps = binary.BigEndian.AppendUint32(caps, s.sp.want.ASN)
	restart := uint16(s.peer.GracefulRestart / time.Second)
	if s.bug == "always offers graceful restart" {
		restart = 5
	}
	if s.bug == "sets the N bit" {
		restart |= 0x4000
	}
	if restart > 0 {
		caps = append(caps, 64, 10, byte(restart>>8), byte(restart), 0, 1, 1, 0, 0, 2, 1, 0)
	}
	body := []byte{4}
	body = binary.BigEndian.AppendUint16(body, uint16(s.sp.want.ASN))
	body = binary.BigEndian.AppendUint16(body, uint16(s.peer.Hold/time.Second))
	id := s.sp.routerID.As4()
	body = append(body, id[:]...)
	return append(append(body, byte(len(caps)+2), 2, byte(len(caps))), caps...)
}

// attribute puts a path attribute's header before its value.
func attribute(flags, code byte, value []byte) []byte {
	return append([]byte{flags | 0x10, code, byte(len(value) >> 8), byte(len(value))}, value...)
}

func nlri(p netip.Prefix) []byte {
	return append([]byte{byte(p.Bits())}, p.Addr().AsSlice()[:(p.Bits()+7)/8]...)
}

// updateFor builds the UPDATE of one announcement.
func (s *refSession) updateFor(a plugins.Announcement, hop netip.Addr) []byte {
	attrs := attribute(0x40, 1, []byte{0})
	path := []byte{}
	if s.peer.ASN != s.sp.want.ASN {
		n := 1 + a.Prepend
		if s.bug == "counts itself in" && a.Prepend > 0 {
			n--
		}
		path = []byte{2, byte(n)}
		for range n {
			path = binary.BigEndian.AppendUint32(path, s.sp.want.ASN)
		}
	}
	attrs = append(attrs, attribute(0x40, 2, path)...)
	if a.MED != nil && (*a.MED > 0 || s.bug != "leaves out a MED of 0") {
		attrs = append(attrs, attribute(0x80, 4, binary.BigEndian.AppendUint32(nil, *a.MED))...)
	}
	if a.LocalPref != nil && (s.peer.ASN == s.sp.want.ASN || s.bug == "tells everybody its LOCAL_PREF") {
		attrs = append(attrs, attribute(0x40, 5, binary.BigEndian.AppendUint32(nil, *a.LocalPref))...)
	}
	var communities []byte
	for _, c := range a.Communities {
		if c == plugins.GracefulShutdown && s.bug == "drops well-known communities" {
			continue
		}
		communities = binary.BigEndian.AppendUint32(communities, uint32(c))
	}
	attrs = append(attrs, attribute(0xc0, 8, communities)...)
	if len(a.LargeCommunities) > 0 {
		var large []byte
		for _, l := range a.LargeCommunities {
			for _, v := range []uint32{l.Global, l.Local1, l.Local2} {
				large = binary.BigEndian.AppendUint32(large, v)
			}
		}
		attrs = append(attrs, attribute(0xc0, 32, large)...)
	}
	if a.Prefix.Addr().Is4() && hop.Is4() {
		attrs = append(attrs, attribute(0x40, 3, hop.AsSlice())...)
		return updateMessage(nil, attrs, nlri(a.Prefix))
	}
	reach := append([]byte{0, family(a.Prefix), 1, 16}, hop.AsSlice()...)
	reach = append(append(reach, 0), nlri(a.Prefix)...)
	return updateMessage(nil, append(attrs, attribute(0x80, 14, reach)...), nil)
}

func updateMessage(withdrawn, attrs, announced []byte) []byte {
	body := binary.BigEndian.AppendUint16(nil, uint16(len(withdrawn)))
	body = append(body, withdrawn...)
	body = binary.BigEndian.AppendUint16(body, uint16(len(attrs)))
	return bgpMessage(msgUpdate, append(append(body, attrs...), announced...))
}

func withdrawal(p netip.Prefix) []byte {
	if p.Addr().Is4() {
		return updateMessage(nlri(p), nil, nil)
	}
	return updateMessage(nil, attribute(0x80, 15, append([]byte{0, 2, 1}, nlri(p)...)), nil)
}

// endOfRIB is the marker of each address family (RFC 4724 §2).
func endOfRIB() []byte {
	return append(updateMessage(nil, nil, nil), updateMessage(nil, attribute(0x80, 15, []byte{0, 2, 1}), nil)...)
}

func family(p netip.Prefix) byte {
	if p.Addr().Is4() {
		return 1
	}
	return 2
}

// peerOffers are the capabilities of an OPEN that matter here.
type peerOffers struct{ v4, v6, extended, graceful bool }

func readOffers(o bgppeer.Open) peerOffers {
	var p peerOffers
	for _, c := range o.Capabilities {
		switch {
		case c.Code == bgppeer.CapMultiprotocol && len(c.Value) == 4:
			p.v4 = p.v4 || c.Value[1] == 1
			p.v6 = p.v6 || c.Value[1] == 2
		case c.Code == bgppeer.CapExtendedNextHop:
			p.extended = true
		case c.Code == bgppeer.CapGracefulRestart:
			p.graceful = true
		}
	}
	return p
}
