// Package fsm is the state machine of a BGP session (RFC 4271 §8) for a
// speaker that dials and never listens. It is pure: an event goes in, actions
// come out, and timers are among both.
package fsm

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/native/wire"
	"github.com/stentor-net/stentor/plugins"
)

// Kind is what happened. The numbers in brackets are those of RFC 4271 §8.1.
type Kind int

// The kinds of event.
const (
	Start            Kind = iota // ManualStart [1]
	Stop                         // ManualStop [2]
	RetryExpired                 // ConnectRetryTimer_Expires [9]; Why tells of an attempt without an answer
	HoldExpired                  // HoldTimer_Expires [10]
	KeepaliveExpired             // KeepaliveTimer_Expires [11]
	IdleHoldExpired              // IdleHoldTimer_Expires [13]
	Connected                    // Tcp_CR_Acked [16]
	Disconnected                 // TcpConnectionFails [18]; Why tells
	Opened                       // BGPOpen [19]; Open has it
	Malformed                    // BGPHeaderErr [21], BGPOpenMsgErr [22], UpdateMsgErr [28]; Notification answers it
	Notified                     // NotifMsgVerErr [24], NotifMsg [25]; Notification is it
	Alive                        // KeepAliveMsg [26]
	Updated                      // UpdateMsg [27]
	Refreshed                    // a ROUTE-REFRESH (RFC 2918); it is like an UPDATE to the machine
	BFDDown                      // RFC 5882 §4.3
	Stable                       // the session has lasted
	kinds
)

// Event is one of them.
type Event struct {
	Kind         Kind
	Open         *wire.Open
	Notification *wire.Notification
	Why          string
}

// Verb is what is to be done.
type Verb int

// The verbs of an action.
const (
	Dial     Verb = iota // begin a TCP connection
	Close                // end it, or the attempt
	SendOpen             // with what the config says
	SendKeepalive
	Send // Notification
	Set  // Timer to After, instead of what it was set to
	Clear
	Up   // the session is established
	Down // it was, and is not any more, or an attempt failed; Why tells
)

// Timer names one of the machine's timers.
type Timer int

// The timers.
const (
	ConnectRetry Timer = iota
	Hold
	Keepalive
	IdleHold
	Lasting // until the session counts as stable
	Timers  // their number
)

// Action is one thing to do, in the order given.
type Action struct {
	Verb         Verb
	Timer        Timer
	After        time.Duration // that of Keepalive has no jitter yet (RFC 4271 §10)
	Notification *wire.Notification
	Why          string
}

const (
	// openHold bounds the wait for the peer's OPEN. RFC 4271 §8.2.2 suggests
	// 4 minutes, for which nobody wants to wait who has other peers.
	openHold = 30 * time.Second
	// lasting is how long a session must have been up for its end to be news.
	lasting = 30 * time.Second
	// attempt is how long a connection may take to come about, at least.
	attempt = 5 * time.Second
	// missDelay is between attempts that no peer answers with an OPEN. It
	// doubles with each, up to the ConnectRetry time.
	missDelay = 100 * time.Millisecond
	// quarrelDelay is between sessions that one side objects to, from the
	// second one on. It doubles up to longestDelay.
	quarrelDelay = 500 * time.Millisecond
	longestDelay = 30 * time.Second
)

// Config is what a session shall be.
type Config struct {
	LocalASN, PeerASN uint32
	ID                netip.Addr
	Hold, Keepalive   time.Duration
	ConnectRetry      time.Duration
	// Jitter changes a delay other than Keepalive's a little, lest a fleet acts in step (RFC 4271 §10).
	Jitter func(time.Duration) time.Duration
}

// Machine is one session's state.
type Machine struct {
	Config
	state     plugins.SessionState
	peer      *wire.Open // from OpenConfirm on
	hold      time.Duration
	keepalive time.Duration
	misses    int // attempts that no OPEN answered, since one did
	quarrels  int // sessions that ended soon, since one that lasted
}

// New makes a machine in Idle.
func New(c Config) *Machine { return &Machine{Config: c, state: plugins.StateIdle} }

// State is a state of RFC 4271 §8.2.2.
func (m *Machine) State() plugins.SessionState { return m.state }

// Peer is the peer's OPEN; nil before OpenConfirm.
func (m *Machine) Peer() *wire.Open { return m.peer }

// Handle takes an event, and gives what follows from it.
func (m *Machine) Handle(e Event) []Action {
	if e.Kind == Stable {
		m.quarrels = 0
		return nil
	}
	switch m.state {
	case plugins.StateIdle:
		return m.idle(e)
	case plugins.StateConnect, plugins.StateActive:
		return m.connecting(e)
	case plugins.StateOpenSent:
		return m.openSent(e)
	case plugins.StateOpenConfirm:
		return m.openConfirm(e)
	default:
		return m.established(e)
	}
}

func (m *Machine) idle(e Event) []Action {
	switch e.Kind {
	case Start, IdleHoldExpired:
		m.state = plugins.StateConnect
		return []Action{{Verb: Clear, Timer: IdleHold}, m.retry(), {Verb: Dial}}
	case Stop:
		return []Action{{Verb: Clear, Timer: IdleHold}}
	}
	return nil // RFC 4271 §8.2.2: Idle ignores all else
}

// connecting is Connect, where an attempt is on its way, and Active, where the
// next one waits for its time.
func (m *Machine) connecting(e Event) []Action {
	switch e.Kind {
	case Start, IdleHoldExpired:
		return nil
	case Stop:
		return m.stop(nil)
	case RetryExpired:
		all := []Action{{Verb: Close}}
		if m.state == plugins.StateConnect { // the attempt came to nothing
			all = append(all, Action{Verb: Down, Why: e.Why})
		}
		m.state = plugins.StateConnect
		return append(all, m.retry(), Action{Verb: Dial})
	case Connected:
		m.state = plugins.StateOpenSent
		return []Action{{Verb: Clear, Timer: ConnectRetry}, {Verb: SendOpen}, {Verb: Set, Timer: Hold, After: openHold}}
	default:
		m.misses++
		return m.fail(e.Why, m.delay(missDelay, m.misses, m.ConnectRetry))
	}
}

func (m *Machine) openSent(e Event) []Action {
	switch e.Kind {
	case Start, IdleHoldExpired:
		return nil
	case Stop:
		return m.stop(e.Notification)
	case HoldExpired:
		return m.refuse(wire.Fault(wire.HoldTimeExpired, 0, "no OPEN came within %s", openHold))
	case Disconnected:
		m.state = plugins.StateActive
		m.misses++
		again := Action{Verb: Set, Timer: ConnectRetry, After: m.delay(missDelay, m.misses, m.ConnectRetry)}
		return []Action{{Verb: Close}, {Verb: Clear, Timer: Hold}, {Verb: Down, Why: m.unopened(e.Why)}, again}
	case Opened:
		return m.opened(e.Open)
	case Malformed, BFDDown:
		return m.refuse(e.Notification)
	case Notified:
		return m.told(e.Notification)
	default:
		return m.refuse(wire.Fault(wire.FSMError, wire.UnexpectedInOpenSent, "the peer did not begin with an OPEN"))
	}
}

// unopened is why a connection ended before the peer's OPEN.
func (m *Machine) unopened(why string) string {
	return "the peer closed the connection without a word; does it know this host? (" + why + ")"
}

// opened judges the peer's OPEN (RFC 4271 §6.2).
func (m *Machine) opened(o *wire.Open) []Action {
	if o.ASN != m.PeerASN {
		return m.refuse(wire.Fault(wire.OpenError, wire.BadPeerAS, "the peer is AS %d, the config says AS %d", o.ASN, m.PeerASN))
	}
	if m.LocalASN == m.PeerASN && o.ID == m.ID { // RFC 6286 §2.2: elsewhere it may be the same
		return m.refuse(wire.Fault(wire.OpenError, wire.BadIdentifier, "the peer has this host's own BGP Identifier, %s", o.ID))
	}
	m.state, m.peer, m.misses = plugins.StateOpenConfirm, o, 0
	m.hold = min(m.Config.Hold, o.Hold)
	m.keepalive = min(m.Config.Keepalive, m.hold/3)
	return append([]Action{{Verb: SendKeepalive}}, m.bothTimers()...)
}

func (m *Machine) openConfirm(e Event) []Action {
	switch e.Kind {
	case HoldExpired:
		return m.refuse(wire.Fault(wire.HoldTimeExpired, 0, "no KEEPALIVE came within %s", m.hold))
	case Alive:
		m.state = plugins.StateEstablished
		return append(m.holdTimer(), Action{Verb: Set, Timer: Lasting, After: lasting}, Action{Verb: Up})
	}
	return m.open(e, wire.Fault(wire.FSMError, wire.UnexpectedInOpenConfirm, "the peer sent something else before its first KEEPALIVE"))
}

func (m *Machine) established(e Event) []Action {
	switch e.Kind {
	case HoldExpired:
		return m.refuse(wire.Fault(wire.HoldTimeExpired, 0, "nothing came for the Hold Time of %s", m.hold))
	case Alive, Updated, Refreshed:
		return m.holdTimer()
	}
	return m.open(e, wire.Fault(wire.FSMError, wire.UnexpectedInEstablished, "the peer sent what does not belong into an established session"))
}

// open is what OpenConfirm and Established have in common; unexpected is for
// all that belongs into neither.
func (m *Machine) open(e Event, unexpected *wire.Notification) []Action {
	switch e.Kind {
	case Start, IdleHoldExpired:
		return nil
	case Stop:
		return m.stop(e.Notification)
	case KeepaliveExpired:
		return []Action{{Verb: SendKeepalive}, {Verb: Set, Timer: Keepalive, After: m.keepalive}}
	case Disconnected:
		return m.quarrel(e.Why)
	case Malformed, BFDDown:
		return m.refuse(e.Notification)
	case Notified:
		return m.told(e.Notification)
	}
	return m.refuse(unexpected)
}

// retry sets the ConnectRetryTimer. An attempt is given the time for some
// retransmissions of its SYN, which the kernel makes after 1 s and 3 s.
func (m *Machine) retry() Action {
	return Action{Verb: Set, Timer: ConnectRetry, After: m.Jitter(max(m.ConnectRetry, attempt))}
}

// holdTimer restarts the HoldTimer; a negotiated time of 0 has none (RFC 4271 §4.2).
func (m *Machine) holdTimer() []Action {
	if m.hold == 0 {
		return nil
	}
	return []Action{{Verb: Set, Timer: Hold, After: m.hold}}
}

func (m *Machine) bothTimers() []Action {
	if m.hold == 0 {
		return []Action{{Verb: Clear, Timer: Hold}}
	}
	return append(m.holdTimer(), Action{Verb: Set, Timer: Keepalive, After: m.keepalive})
}

// refuse tells the peer what is wrong, and ends the session. Nobody is told of
// a session that has no connection.
func (m *Machine) refuse(n *wire.Notification) []Action {
	return append([]Action{{Verb: Send, Notification: n}}, m.quarrel(n.Error())...)
}

// told is the end that the peer made. A NOTIFICATION is never answered by one.
func (m *Machine) told(n *wire.Notification) []Action {
	return m.quarrel("the peer sent NOTIFICATION " + n.String())
}

// quarrel ends a session that the peer or this side objects to. The next one
// follows at once, and then later and later.
func (m *Machine) quarrel(why string) []Action {
	m.quarrels++
	return m.fail(why, m.delay(quarrelDelay, m.quarrels-1, longestDelay))
}

// delay is how long to wait after so many failures in a row.
func (m *Machine) delay(first time.Duration, failures int, longest time.Duration) time.Duration {
	if failures == 0 {
		return 0
	}
	return m.Jitter(min(first<<min(failures-1, 16), longest))
}

// fail ends the session or the attempt; the next one begins after the delay.
func (m *Machine) fail(why string, after time.Duration) []Action {
	return append(m.end(), Action{Verb: Down, Why: why}, Action{Verb: Set, Timer: IdleHold, After: after})
}

// stop ends the session by intent; n is for the peer.
func (m *Machine) stop(n *wire.Notification) []Action {
	var all []Action
	if n != nil {
		all = append(all, Action{Verb: Send, Notification: n})
	}
	m.misses, m.quarrels = 0, 0
	return append(append(all, m.end()...), Action{Verb: Down, Why: "stopped"})
}

// end goes to Idle.
func (m *Machine) end() []Action {
	m.state, m.peer = plugins.StateIdle, nil
	all := []Action{{Verb: Close}}
	for t := range Timers {
		all = append(all, Action{Verb: Clear, Timer: t})
	}
	return all
}

func (k Kind) String() string {
	names := [...]string{"Start", "Stop", "RetryExpired", "HoldExpired", "KeepaliveExpired", "IdleHoldExpired", "Connected", "Disconnected",
		"Opened", "Malformed", "Notified", "Alive", "Updated", "Refreshed", "BFDDown", "Stable"}
	if k < 0 || int(k) >= len(names) {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return names[k]
}
