package bfd

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	fast = 300 * time.Millisecond
	mine = 0x11
	your = 0x22
)

var timers = Timers{TX: fast, RX: fast, Multiplier: 3}

func heard(s State) Packet {
	return Packet{State: s, My: your, Your: mine, Multiplier: 4, DesiredTX: 400 * time.Millisecond, RequiredRX: 500 * time.Millisecond}
}

func receive(m *Machine, p Packet) []Action { return m.Handle(Event{Kind: Received, Packet: p}) }

// at is a machine that was led to a state.
func at(t testing.TB, s State) *Machine {
	t.Helper()
	m := NewMachine(timers, nil, mine, 0)
	m.Handle(Event{Kind: Start})
	switch s {
	case AdminDown:
		m.Handle(Event{Kind: Disabled})
	case Init:
		receive(m, heard(Down))
	case Up:
		receive(m, heard(Init))
		p := heard(Up)
		p.Final = true
		receive(m, p)
	}
	if m.State() != s {
		t.Fatalf("the way to %s leads to %s", s, m.State())
	}
	return m
}

// TestStates is the state machine of RFC 5880 §6.8.6: what a packet in each
// state makes of a session in each state.
func TestStates(t *testing.T) {
	table := map[State][4]State{ // by what the packet says
		AdminDown: {AdminDown, AdminDown, AdminDown, AdminDown},
		Down:      {Down, Init, Up, Down},
		Init:      {Down, Init, Up, Up},
		Up:        {Down, Down, Up, Up},
	}
	for from, row := range table {
		for said, want := range row {
			m := at(t, from)
			receive(m, heard(State(said)))
			if m.State() != want {
				t.Errorf("%s, and the peer says %s: %s, want %s", from, State(said), m.State(), want)
			}
			if from == Up && want == Down && m.Diag() != NeighborDown {
				t.Errorf("Up, and the peer says %s: %s", State(said), m.Diag())
			}
		}
	}
	for from, want := range map[State]State{AdminDown: AdminDown, Down: Down, Init: Down, Up: Down} {
		m := at(t, from)
		m.Handle(Event{Kind: Expired})
		if m.State() != want || from == Up && m.Diag() != DetectExpired {
			t.Errorf("%s, and nothing comes: %s (%s)", from, m.State(), m.Diag())
		}
	}
}

// find gives the actions of one verb.
func find(all []Action, v Verb) []Action {
	return slices.DeleteFunc(slices.Clone(all), func(a Action) bool { return a.Verb != v })
}

func after(t *testing.T, all []Action, v Verb) time.Duration {
	t.Helper()
	found := find(all, v)
	if len(found) != 1 {
		t.Fatalf("%d of verb %d in %+v", len(found), v, all)
	}
	return found[0].After
}

// TestIntervals follows a session from slow to fast and back.
func TestIntervals(t *testing.T) {
	m := NewMachine(timers, nil, mine, 0)
	if got := after(t, m.Handle(Event{Kind: Start}), Transmit); got != slow {
		t.Errorf("before anything came: every %s", got)
	}
	all := receive(m, heard(Init))
	if got := after(t, all, Transmit); got != 500*time.Millisecond {
		t.Errorf("up: every %s, want what the peer can receive", got)
	}
	if got := after(t, all, Detect); got != 4*400*time.Millisecond {
		t.Errorf("up: Detection Time %s, want 4 times the peer's interval", got)
	}
	if p := find(all, Send)[0].Packet; !p.Poll || p.DesiredTX != fast || p.State != Up || p.Your != your || p.Diag != NoDiag {
		t.Errorf("up: it sends %+v, want a poll with the faster interval", p)
	}
	polled := heard(Up)
	polled.Poll = true
	answer := find(receive(m, polled), Send)
	if len(answer) != 1 || !answer[0].Packet.Final || answer[0].Packet.Poll {
		t.Errorf("a poll is answered by %+v", answer)
	}
	final := heard(Up)
	final.Final = true
	receive(m, final)
	if p := find(m.Handle(Event{Kind: Due}), Send)[0].Packet; p.Poll {
		t.Error("it still polls after the answer")
	}
	all = m.Handle(Event{Kind: Expired})
	if got := after(t, all, Transmit); got != slow {
		t.Errorf("down again: every %s", got)
	}
	if p := find(all, Send)[0].Packet; p.State != Down || p.Diag != DetectExpired || p.Your != 0 || p.DesiredTX != slow {
		t.Errorf("down again: it sends %+v", p)
	}
}

// TestRetimed: a slower pace, and a shorter patience, wait until the peer knows
// (RFC 5880 §6.8.3).
func TestRetimed(t *testing.T) {
	m := at(t, Up)
	peer := func(final bool) Packet {
		return Packet{State: Up, My: your, Your: mine, Multiplier: 3, DesiredTX: time.Millisecond, RequiredRX: time.Millisecond, Final: final}
	}
	receive(m, peer(false))
	if got := m.DetectTime(); got != 3*fast {
		t.Fatalf("Detection Time %s", got)
	}
	m.Handle(Event{Kind: Retimed, Timers: Timers{TX: time.Second, RX: 100 * time.Millisecond, Multiplier: 3}})
	all := m.Handle(Event{Kind: Due})
	if p := find(all, Send)[0].Packet; !p.Poll || p.DesiredTX != time.Second || p.RequiredRX != 100*time.Millisecond {
		t.Errorf("it sends %+v", p)
	}
	if got := after(t, all, Transmit); got != fast || m.DetectTime() != 3*fast {
		t.Errorf("before the peer knows: every %s, Detection Time %s", got, m.DetectTime())
	}
	all = receive(m, peer(true))
	if got := after(t, all, Transmit); got != time.Second || m.DetectTime() != 300*time.Millisecond {
		t.Errorf("when the peer knows: every %s, Detection Time %s", got, m.DetectTime())
	}
	m.Handle(Event{Kind: Retimed, Timers: timers})
	if got := after(t, m.Handle(Event{Kind: Due}), Transmit); got != fast || m.DetectTime() != 3*fast {
		t.Errorf("faster, and more patient: every %s, Detection Time %s, want both at once", got, m.DetectTime())
	}
}

// TestSilenced: a peer can ask for nothing, or for nothing but answers.
func TestSilenced(t *testing.T) {
	m := at(t, Up)
	deaf := heard(Up)
	deaf.RequiredRX = 0
	if got := after(t, receive(m, deaf), Transmit); got != 0 {
		t.Errorf("a peer that wants nothing is sent a packet every %s", got)
	}
	if got := after(t, receive(m, heard(Up)), Transmit); got != 500*time.Millisecond {
		t.Errorf("a peer that wants some again is sent one every %s", got)
	}
	demand := heard(Up)
	demand.Demand = true
	if got := after(t, receive(m, demand), Transmit); got != 0 {
		t.Errorf("a peer in Demand mode is sent a packet every %s", got)
	}
}

func TestDiscriminator(t *testing.T) {
	m := at(t, Up)
	other := heard(Down)
	other.Your = mine + 1
	if all := receive(m, other); all != nil || m.State() != Up {
		t.Errorf("a packet for another session made %+v", all)
	}
}

// TestSequence: a packet that was taken before is not taken again, until
// nothing came for twice the Detection Time.
func TestSequence(t *testing.T) {
	m := NewMachine(timers, meticulous, mine, 0)
	signed := func(s State, seq uint32) Packet {
		p := heard(s)
		p.Seq = seq
		return p
	}
	receive(m, signed(Down, 100))
	receive(m, signed(Up, 101))
	if receive(m, signed(Down, 101)); m.State() != Up {
		t.Error("the same number again made it go down")
	}
	if receive(m, signed(Down, 99)); m.State() != Up {
		t.Error("an older number made it go down")
	}
	m.Handle(Event{Kind: Expired})
	if receive(m, signed(Down, 5)); m.State() != Down {
		t.Error("numbers begin anew too early")
	}
	m.Handle(Event{Kind: Expired})
	if receive(m, signed(Down, 5)); m.State() != Init {
		t.Error("numbers never begin anew")
	}
	first := find(m.Handle(Event{Kind: Due}), Send)[0].Packet.Seq
	if second := find(m.Handle(Event{Kind: Due}), Send)[0].Packet.Seq; second != first+1 {
		t.Errorf("%d follows %d", second, first)
	}
}

// TestTwo has two machines talk over a path that loses, delays and repeats:
// whatever happens, both are up soon after it has become a good one.
func TestTwo(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		draw := rapid.Custom(func(r *rapid.T) Timers {
			ms := rapid.IntRange(10, 3000)
			return Timers{time.Duration(ms.Draw(r, "tx")) * time.Millisecond, time.Duration(ms.Draw(r, "rx")) * time.Millisecond, rapid.Uint8Min(1).Draw(r, "multiplier")}
		})
		key := rapid.SampledFrom([]*Key{nil, keyed, meticulous}).Draw(r, "key")
		both := [2]*Machine{NewMachine(draw.Draw(r, "a"), key, 1, 7), NewMachine(draw.Draw(r, "b"), key, 2, 9)}
		var inFlight [2][]Packet // to each
		lossless := false
		act := func(i int, e Event) {
			for _, a := range both[i].Handle(e) {
				if a.Verb == Send && (lossless || rapid.Bool().Draw(r, "arrives")) {
					inFlight[1-i] = append(inFlight[1-i], a.Packet)
				}
				if a.Verb == Detect && a.After < 0 || a.Verb == Transmit && a.After < 0 {
					r.Fatalf("%+v", a)
				}
			}
		}
		deliver := func(i int) {
			if len(inFlight[i]) > 0 {
				p := inFlight[i][0]
				inFlight[i] = inFlight[i][1:]
				act(i, Event{Kind: Received, Packet: p})
			}
		}
		act(0, Event{Kind: Start})
		act(1, Event{Kind: Start})
		for range rapid.IntRange(0, 60).Draw(r, "steps") {
			i := rapid.IntRange(0, 1).Draw(r, "side")
			switch rapid.IntRange(0, 4).Draw(r, "step") {
			case 0, 1:
				deliver(i)
			case 2:
				act(i, Event{Kind: Due})
			case 3:
				act(i, Event{Kind: Expired})
			case 4:
				act(i, Event{Kind: Retimed, Timers: draw.Draw(r, "other")})
			}
		}
		lossless = true
		inFlight = [2][]Packet{}
		if key != nil { // numbers were lost: both wait until they may begin anew
			for i := range both {
				act(i, Event{Kind: Expired})
				act(i, Event{Kind: Expired})
			}
			inFlight = [2][]Packet{}
		}
		for range 12 {
			for i := range both {
				act(i, Event{Kind: Due})
			}
			for len(inFlight[0])+len(inFlight[1]) > 0 {
				deliver(0)
				deliver(1)
			}
		}
		for i, m := range both {
			if m.State() != Up || m.poll || m.usedTX != m.timers.TX || m.usedRX != m.timers.RX {
				r.Errorf("side %d is %s, polls %v, sends every %s", i, m.State(), m.poll, m.usedTX)
			}
		}
	})
}
