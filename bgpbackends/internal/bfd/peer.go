package bfd

import (
	"crypto/sha1" // for its length
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// floor is the shortest interval: a host that is busy does not keep to a
// shorter one.
const floor = 10 * time.Millisecond

// Check refuses timers that make no sense; nil is BFD switched off.
func Check(b *plugins.BFD) error {
	switch {
	case b == nil:
		return nil
	case b.TX < floor || b.RX < floor:
		return fmt.Errorf("BFD intervals of %s and %s: want %s at least", b.TX, b.RX, floor)
	case b.TX > time.Hour || b.RX > time.Hour: // RFC 5880 §4.1 has 32 bits of microseconds
		return fmt.Errorf("BFD intervals of %s and %s: want an hour at most", b.TX, b.RX)
	case b.Multiplier < 1 || b.Multiplier > 255:
		return errors.New("the BFD multiplier must be 1 to 255")
	case len(b.Password) > sha1.Size:
		return fmt.Errorf("the BFD password is longer than %d bytes (RFC 5880 §6.7.4)", sha1.Size)
	case b.KeyID < 0 || b.KeyID > 255:
		return errors.New("the BFD key ID must be 0 to 255")
	}
	return nil
}

// TimersOf puts a peer's into this package's words.
func TimersOf(b plugins.BFD) Timers {
	return Timers{TX: b.TX, RX: b.RX, Multiplier: uint8(b.Multiplier)}
}

// SameKey reports whether packets are signed in the same way.
func SameKey(a, b plugins.BFD) bool {
	return a.Password == b.Password && a.KeyID == b.KeyID && a.Meticulous == b.Meticulous
}

// ConfigFor is a session beside the BGP session with p. It is over one hop
// where that is, and so is an iBGP session with a neighbour.
func ConfigFor(p plugins.Peer, b plugins.BFD, external bool, changed func(View)) Config {
	c := Config{Peer: p.Addr, Local: p.LocalAddr, Timers: TimersOf(b), Changed: changed}
	if b.Password != "" {
		c.Key = &Key{ID: uint8(b.KeyID), Secret: b.Password, Meticulous: b.Meticulous}
	}
	switch {
	case p.TTLSecurity > 0:
		c.Multihop = p.TTLSecurity > 1
		c.MinTTL = maxTTL + 1 - p.TTLSecurity
	case p.TTL > 0:
		c.Multihop = p.TTL > 1
	case !external:
		c.Multihop = !onLink(p.Addr)
	}
	return c
}

// onLink tells whether an address lies in a subnet of this host's.
func onLink(a netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, one := range all {
		if n, ok := one.(*net.IPNet); ok && n.Contains(a.AsSlice()) {
			return true
		}
	}
	return false
}

// Words are the view as core knows it.
func (v View) Words() *plugins.BFDState {
	s := &plugins.BFDState{State: v.State.String(), Since: v.Since, DetectTime: v.DetectTime, Late: v.Late}
	switch {
	case v.State == Up:
	case v.Error != "":
		s.Why = v.Error
	case v.Refused != "":
		s.Why = "a packet from the peer was not taken: " + v.Refused
	case v.PeerDisabled:
		s.Why = "the peer has switched it off"
	case v.Diag != NoDiag:
		s.Why = v.Diag.String()
	default:
		s.Why = "the peer does not answer: is BFD configured there?"
	}
	return s
}
