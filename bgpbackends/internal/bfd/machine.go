package bfd

import "time"

// slow is how often a session that is not up sends (RFC 5880 §6.8.3).
const slow = time.Second

// Timers are what a session would like.
type Timers struct {
	TX         time.Duration // Desired Min TX Interval while up
	RX         time.Duration // Required Min RX Interval
	Multiplier uint8         // Detect Mult
}

// Kind is what happened.
type Kind int

// The kinds of event.
const (
	Start    Kind = iota
	Received      // a valid Packet
	Due           // the time has come to send
	Expired       // the Detection Time is over
	Retimed       // other Timers are wanted
	Disabled      // by this side
)

// Event is one of them.
type Event struct {
	Kind   Kind
	Packet Packet
	Timers Timers
}

// Verb is what is to be done.
type Verb int

// The verbs of an action.
const (
	Send     Verb = iota // Packet, at once
	Transmit             // the next packet After that time, less jitter; 0: send no more
	Detect               // Expired follows After that time; 0: never
	Changed              // the state is another one
)

// Action is one thing to do, in the order given.
type Action struct {
	Verb   Verb
	After  time.Duration
	Packet Packet
}

// Machine is one session's state (RFC 5880 §6.8.1), in the active role.
type Machine struct {
	timers Timers
	key    *Key
	local  uint32 // bfd.LocalDiscr

	state State
	diag  Diag
	// tx and rx are what packets say; usedTX and usedRX are in force. They
	// differ while a Poll Sequence tells the peer of a change that it must know
	// of first (RFC 5880 §6.8.3).
	tx, rx, usedTX, usedRX time.Duration
	poll                   bool
	interval               time.Duration // of the last Transmit

	remote struct {
		discr      uint32
		state      State
		diag       Diag
		minRX, tx  time.Duration
		multiplier uint8
		demand     bool
	}

	sent     uint32 // bfd.XmitAuthSeq
	received uint32 // bfd.RcvAuthSeq
	seqKnown bool   // bfd.AuthSeqKnown
}

// NewMachine makes a machine in Down. The discriminator is unique on this
// host and not 0; seq is any number to count packets from.
func NewMachine(t Timers, key *Key, discriminator, seq uint32) *Machine {
	m := &Machine{timers: t, key: key, local: discriminator, sent: seq, state: Down}
	m.tx, m.rx = max(slow, t.TX), t.RX
	m.usedTX, m.usedRX = m.tx, m.rx
	m.remote.state, m.remote.minRX = Down, time.Microsecond
	return m
}

// State is the session's.
func (m *Machine) State() State { return m.state }

// Diag says why the session left Up the last time.
func (m *Machine) Diag() Diag { return m.diag }

// Remote is the peer's state and diagnostic as it said them last.
func (m *Machine) Remote() (State, Diag) { return m.remote.state, m.remote.diag }

// DetectTime is how long the peer may be silent (RFC 5880 §6.8.4).
func (m *Machine) DetectTime() time.Duration {
	return time.Duration(m.remote.multiplier) * max(m.usedRX, m.remote.tx)
}

// Linger is how long the peer may take to notice that this side is silent.
func (m *Machine) Linger() time.Duration {
	return time.Duration(m.timers.Multiplier) * max(m.usedTX, m.remote.minRX)
}

// Handle takes an event, and gives what follows from it.
func (m *Machine) Handle(e Event) []Action {
	switch e.Kind {
	case Start:
		return append(m.say(false), m.pace(true)...)
	case Received:
		return m.take(e.Packet)
	case Due:
		return append(m.say(false), m.pace(true)...)
	case Expired:
		return m.expired()
	case Retimed:
		m.timers = e.Timers
		m.want()
		return m.pace(false)
	case Disabled:
		if m.state == AdminDown {
			return nil
		}
		m.state, m.diag = AdminDown, AdministrativelyDown
		// The pace stays: the peer shall hear of this before it misses packets.
		return append([]Action{{Verb: Changed}, {Verb: Detect}}, append(m.say(false), m.pace(true)...)...)
	}
	return nil
}

// take is RFC 5880 §6.8.6, from where the session is known.
func (m *Machine) take(p Packet) []Action {
	if p.Your != 0 && p.Your != m.local {
		return nil
	}
	if m.key != nil {
		if m.seqKnown && !m.key.follows(p.Seq, m.received, p.Multiplier) {
			return nil
		}
		m.received, m.seqKnown = p.Seq, true
	}
	r := &m.remote
	r.discr, r.state, r.diag, r.demand, r.minRX, r.tx, r.multiplier = p.My, p.State, p.Diag, p.Demand, p.RequiredRX, p.DesiredTX, p.Multiplier
	if m.poll && p.Final {
		m.poll = false
		m.usedTX, m.usedRX = m.tx, m.rx
	}
	if m.state == AdminDown {
		return nil
	}
	before := m.state
	switch {
	case p.State == AdminDown && m.state != Down, p.State == Down && m.state == Up:
		m.enter(Down, NeighborDown)
	case p.State == Down && m.state == Down:
		m.enter(Init, m.diag)
	case p.State == Init && m.state != Up, p.State == Up && m.state == Init:
		m.enter(Up, m.diag)
	}
	all := []Action{{Verb: Detect, After: m.DetectTime()}}
	changed := m.state != before
	if changed {
		all = append(all, Action{Verb: Changed})
	}
	if p.Poll || changed { // the peer shall know of a change at once (RFC 5880 §6.8.7)
		all = append(all, m.say(p.Poll)...)
	}
	return append(all, m.pace(changed)...)
}

// enter changes the state, and with it what intervals are said.
func (m *Machine) enter(s State, d Diag) {
	m.state, m.diag = s, d
	m.want()
}

// want says other intervals, if they are other ones, by a Poll Sequence. What
// the peer must know first is put off until it does (RFC 5880 §6.8.3).
func (m *Machine) want() {
	tx, rx := m.timers.TX, m.timers.RX
	if m.state != Up {
		tx = max(slow, tx)
	}
	if tx != m.tx || rx != m.rx {
		m.tx, m.rx = tx, rx
		m.poll = m.remote.discr != 0
	}
	if m.state == Up && m.poll {
		tx, rx = min(m.usedTX, tx), max(m.usedRX, rx)
	}
	m.usedTX, m.usedRX = tx, rx
}

// expired: nothing came for the Detection Time. If nothing comes for twice that
// time, the sequence numbers may begin anew (RFC 5880 §6.8.1).
func (m *Machine) expired() []Action {
	if m.remote.discr == 0 {
		m.seqKnown = false
		return []Action{{Verb: Detect}}
	}
	all := []Action{{Verb: Detect, After: m.DetectTime()}}
	m.remote.discr, m.remote.minRX, m.remote.demand, m.poll = 0, time.Microsecond, false, false
	if m.state != Init && m.state != Up {
		return append(all, m.pace(false)...)
	}
	m.enter(Down, DetectExpired)
	return append(append(append(all, Action{Verb: Changed}), m.say(false)...), m.pace(true)...)
}

// say sends a packet; final answers a poll.
func (m *Machine) say(final bool) []Action {
	m.sent++
	return []Action{{Verb: Send, Packet: Packet{
		Diag: m.diag, State: m.state, Poll: m.poll && !final, Final: final, Multiplier: m.timers.Multiplier,
		My: m.local, Your: m.remote.discr, DesiredTX: m.tx, RequiredRX: m.rx, Seq: m.sent,
	}}}
}

// pace sets when to send next, if that is another time than it was or again
// is set (RFC 5880 §6.8.2, §6.8.7).
func (m *Machine) pace(again bool) []Action {
	interval := max(m.usedTX, m.remote.minRX)
	silenced := m.remote.demand && m.state == Up && m.remote.state == Up && !m.poll
	if m.remote.minRX == 0 || silenced {
		interval = 0
	}
	if interval == m.interval && !again {
		return nil
	}
	m.interval = interval
	return []Action{{Verb: Transmit, After: interval}}
}
