package bfd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// State is a session's (RFC 5880 §4.1).
type State uint8

// The states.
const (
	AdminDown State = iota
	Down
	Init
	Up
)

func (s State) String() string {
	names := [...]string{"admin-down", "down", "init", "up"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Diag says why a session left Up the last time (RFC 5880 §4.1).
type Diag uint8

// Those that matter here.
const (
	NoDiag               Diag = 0
	DetectExpired        Diag = 1
	NeighborDown         Diag = 3
	AdministrativelyDown Diag = 7
)

func (d Diag) String() string {
	names := [...]string{"no diagnostic", "control detection time expired", "echo function failed", "neighbor signaled session down",
		"forwarding plane reset", "path down", "concatenated path down", "administratively down", "reverse concatenated path down"}
	if int(d) < len(names) {
		return names[d]
	}
	return fmt.Sprintf("diagnostic %d", uint8(d))
}

// Packet is a BFD Control packet (RFC 5880 §4.1).
type Packet struct {
	Diag                    Diag
	State                   State
	Poll, Final             bool
	ControlPlaneIndependent bool
	Demand                  bool
	Multiplier              uint8  // Detect Mult
	My, Your                uint32 // discriminators
	DesiredTX               time.Duration
	RequiredRX              time.Duration
	RequiredEchoRX          time.Duration
	Seq                     uint32 // of an authenticated packet
}

const (
	protocolVersion = 1
	headerLen       = 24
	// maxLen is the longest packet that can be right: with a SHA1 section.
	maxLen = headerLen + sha1Len

	bitPoll        = 0x20
	bitFinal       = 0x10
	bitIndependent = 0x08
	bitAuth        = 0x04
	bitDemand      = 0x02
	bitMultipoint  = 0x01
)

// Append appends the packet, signed with key unless that is nil.
func (p *Packet) Append(b []byte, key *Key) []byte {
	start := len(b)
	flags := byte(p.State)<<6 | bit(bitPoll, p.Poll) | bit(bitFinal, p.Final) | bit(bitIndependent, p.ControlPlaneIndependent) |
		bit(bitAuth, key != nil) | bit(bitDemand, p.Demand)
	length := headerLen
	if key != nil {
		length += sha1Len
	}
	b = append(b, protocolVersion<<5|byte(p.Diag)&0x1f, flags, p.Multiplier, byte(length))
	for _, v := range []uint32{p.My, p.Your, micros(p.DesiredTX), micros(p.RequiredRX), micros(p.RequiredEchoRX)} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	if key != nil {
		b = key.sign(b, start, p.Seq)
	}
	return b
}

func bit(b byte, set bool) byte {
	if set {
		return b
	}
	return 0
}

func micros(d time.Duration) uint32 { return uint32(min(d/time.Microsecond, 1<<32-1)) }

// Decode reads a packet, and discards what RFC 5880 §6.8.6 discards before it
// looks at a session. key is the session's, nil for one without.
func Decode(b []byte, key *Key) (Packet, error) {
	var p Packet
	if len(b) < headerLen {
		return p, errors.New("shorter than a header")
	}
	length, flags := int(b[3]), b[1]
	switch {
	case b[0]>>5 != protocolVersion:
		return p, fmt.Errorf("version %d", b[0]>>5)
	case length < headerLen || length > len(b):
		return p, fmt.Errorf("says that it has %d bytes, and has %d", length, len(b))
	case b[2] == 0:
		return p, errors.New("its Detect Mult is 0")
	case flags&bitMultipoint != 0:
		return p, errors.New("the multipoint bit is set")
	}
	p = Packet{
		Diag: Diag(b[0] & 0x1f), State: State(flags >> 6), Multiplier: b[2],
		Poll: flags&bitPoll != 0, Final: flags&bitFinal != 0, ControlPlaneIndependent: flags&bitIndependent != 0, Demand: flags&bitDemand != 0,
		My: binary.BigEndian.Uint32(b[4:]), Your: binary.BigEndian.Uint32(b[8:]),
		DesiredTX: interval(b[12:]), RequiredRX: interval(b[16:]), RequiredEchoRX: interval(b[20:]),
	}
	switch {
	case p.My == 0:
		return p, errors.New("its My Discriminator is 0")
	case p.Your == 0 && p.State != Down && p.State != AdminDown:
		return p, fmt.Errorf("its Your Discriminator is 0 in state %s", p.State)
	}
	switch signed := flags&bitAuth != 0; {
	case signed && key == nil:
		return p, errors.New("is authenticated, and the config has no key for that")
	case !signed && key != nil:
		return p, errors.New("is not authenticated")
	case signed:
		var err error
		p.Seq, err = key.verify(b[:length])
		return p, err
	}
	return p, nil
}

func interval(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Microsecond
}
