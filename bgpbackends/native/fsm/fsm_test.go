package fsm

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stentor-net/stentor/bgpbackends/native/wire"
	"github.com/stentor-net/stentor/plugins"
)

var config = Config{
	LocalASN: 65001, PeerASN: 65000, ID: netip.MustParseAddr("192.0.2.7"), Hold: 9 * time.Second, Keepalive: 3 * time.Second, ConnectRetry: 2 * time.Second,
	Jitter: func(d time.Duration) time.Duration { return d },
}

var open = &wire.Open{ASN: 65000, Hold: 9 * time.Second, ID: netip.MustParseAddr("192.0.2.1")}

// event is one of kind k with what belongs to it.
func event(k Kind) Event {
	e := Event{Kind: k, Open: open, Why: "why"}
	switch k {
	case Malformed:
		e.Notification = wire.Fault(wire.HeaderError, wire.BadMessageType, "type 9")
	case Notified:
		e.Notification = wire.Fault(wire.Cease, wire.AdminReset, "")
	case BFDDown:
		e.Notification = wire.Fault(wire.Cease, wire.BFDDown, "BFD is down")
	case Stop:
		e.Notification = wire.Fault(wire.Cease, wire.PeerDeconfigured, "")
	}
	return e
}

var states = []plugins.SessionState{
	plugins.StateIdle, plugins.StateConnect, plugins.StateActive, plugins.StateOpenSent, plugins.StateOpenConfirm, plugins.StateEstablished,
}

// at is a machine that was led to a state.
func at(t testing.TB, s plugins.SessionState) *Machine {
	t.Helper()
	way := map[plugins.SessionState][]Kind{
		plugins.StateIdle:        nil,
		plugins.StateConnect:     {Start},
		plugins.StateActive:      {Start, Connected, Disconnected},
		plugins.StateOpenSent:    {Start, Connected},
		plugins.StateOpenConfirm: {Start, Connected, Opened},
		plugins.StateEstablished: {Start, Connected, Opened, Alive},
	}
	m := New(config)
	for _, k := range way[s] {
		m.Handle(event(k))
	}
	if m.State() != s {
		t.Fatalf("the way to %s leads to %s", s, m.State())
	}
	return m
}

// table is RFC 4271 §8.2.2, read for a speaker without the options DelayOpen,
// passive TCP and unconfigured peers: for each event the next state, and the
// NOTIFICATION that is sent. Columns are the states, in their order; "-" is
// ignored. It differs from the RFC in one thing: a NOTIFICATION is never
// answered by another one (§6: "there is no response").
var table = map[Kind][6]string{
	Start:            {"connect", "-", "-", "-", "-", "-"},
	Stop:             {"-", "idle", "idle", "idle 6/3", "idle 6/3", "idle 6/3"},
	RetryExpired:     {"-", "connect", "connect", "idle 5/1", "idle 5/2", "idle 5/3"},
	HoldExpired:      {"-", "idle", "idle", "idle 4/0", "idle 4/0", "idle 4/0"},
	KeepaliveExpired: {"-", "idle", "idle", "idle 5/1", "openconfirm", "established"},
	IdleHoldExpired:  {"connect", "-", "-", "-", "-", "-"},
	Connected:        {"-", "opensent", "opensent", "idle 5/1", "idle 5/2", "idle 5/3"},
	Disconnected:     {"-", "idle", "idle", "active", "idle", "idle"},
	Opened:           {"-", "idle", "idle", "openconfirm", "idle 5/2", "idle 5/3"},
	Malformed:        {"-", "idle", "idle", "idle 1/3", "idle 1/3", "idle 1/3"},
	Notified:         {"-", "idle", "idle", "idle", "idle", "idle"},
	Alive:            {"-", "idle", "idle", "idle 5/1", "established", "established"},
	Updated:          {"-", "idle", "idle", "idle 5/1", "idle 5/2", "established"},
	Refreshed:        {"-", "idle", "idle", "idle 5/1", "idle 5/2", "established"},
	BFDDown:          {"-", "idle", "idle", "idle 6/10", "idle 6/10", "idle 6/10"},
	Stable:           {"-", "-", "-", "-", "-", "-"},
}

func TestTable(t *testing.T) {
	if len(table) != int(kinds) {
		t.Errorf("the table has %d events, there are %d", len(table), kinds)
	}
	for k, row := range table {
		for i, s := range states {
			m := at(t, s)
			var sent string
			for _, a := range m.Handle(event(k)) {
				if a.Verb == Send {
					sent = fmt.Sprintf(" %d/%d", a.Notification.Code, a.Notification.Subcode)
				}
			}
			want := row[i]
			if want == "-" {
				want = string(s)
			}
			if got := string(m.State()) + sent; got != want {
				t.Errorf("%s in %s: %s, want %s", k, s, got, want)
			}
		}
	}
}

func TestPeersOpen(t *testing.T) {
	internal := config
	internal.PeerASN = internal.LocalASN
	tests := map[string]struct {
		config Config
		open   wire.Open
		want   string
	}{
		"wrong AS":             {config, wire.Open{ASN: 65009, Hold: 9 * time.Second, ID: open.ID}, "2/2"},
		"own ID, external":     {config, wire.Open{ASN: 65000, Hold: 9 * time.Second, ID: config.ID}, "9s 3s"},
		"own ID, internal":     {internal, wire.Open{ASN: 65001, Hold: 9 * time.Second, ID: config.ID}, "2/3"},
		"shorter hold":         {config, wire.Open{ASN: 65000, Hold: 3 * time.Second, ID: open.ID}, "3s 1s"},
		"longer hold":          {config, wire.Open{ASN: 65000, Hold: 90 * time.Second, ID: open.ID}, "9s 3s"},
		"neither hold nor key": {config, wire.Open{ASN: 65000, ID: open.ID}, ""},
	}
	for name, tt := range tests {
		m := New(tt.config)
		m.Handle(event(Start))
		m.Handle(event(Connected))
		var got []string
		for _, a := range m.Handle(Event{Kind: Opened, Open: &tt.open}) {
			switch {
			case a.Verb == Send:
				got = append(got, fmt.Sprintf("%d/%d", a.Notification.Code, a.Notification.Subcode))
			case a.Verb == Set && (a.Timer == Hold || a.Timer == Keepalive):
				got = append(got, a.After.String())
			}
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestDelays: after a loss the next attempt comes at once, and later and later
// when it repeats; a session that lasted makes it forget.
func TestDelays(t *testing.T) {
	delay := func(all []Action) time.Duration {
		for _, a := range all {
			if a.Verb == Set && a.Timer == IdleHold {
				return a.After
			}
		}
		t.Fatalf("no attempt follows: %+v", all)
		return 0
	}
	m := at(t, plugins.StateEstablished)
	var got []string
	for range 11 {
		got = append(got, delay(m.Handle(event(Notified))).String())
		for _, k := range []Kind{IdleHoldExpired, Connected, Opened, Alive} {
			m.Handle(event(k))
		}
	}
	if want := "0s 500ms 1s 2s 4s 8s 16s 30s 30s 30s 30s"; strings.Join(got, " ") != want {
		t.Errorf("sessions that end soon: %s, want %s", strings.Join(got, " "), want)
	}
	m.Handle(event(Stable))
	if got := delay(m.Handle(event(Notified))); got != 0 {
		t.Errorf("after one that lasted: %s", got)
	}
	m = at(t, plugins.StateConnect)
	got = nil
	for range 7 {
		got = append(got, delay(m.Handle(event(Disconnected))).String())
		m.Handle(event(IdleHoldExpired))
	}
	if want := "100ms 200ms 400ms 800ms 1.6s 2s 2s"; strings.Join(got, " ") != want {
		t.Errorf("attempts that fail: %s, want %s", strings.Join(got, " "), want)
	}
	m = at(t, plugins.StateOpenSent)
	got = nil
	for range 6 {
		for _, a := range m.Handle(event(Disconnected)) {
			if a.Verb == Set && a.Timer == ConnectRetry {
				got = append(got, a.After.String())
			}
		}
		m.Handle(event(RetryExpired))
		m.Handle(event(Connected))
	}
	if want := "100ms 200ms 400ms 800ms 1.6s 2s"; strings.Join(got, " ") != want {
		t.Errorf("connections that end without an OPEN: %s, want %s", strings.Join(got, " "), want)
	}
}

// TestAlwaysOrderly throws any events at a machine, and keeps the books that a
// session keeps: whatever comes, it sends on a connection only, tells of an
// end once for each beginning, and always has something to wait for.
func TestAlwaysOrderly(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := New(config)
		var connected, dialing, up, stopped bool
		timers := map[Timer]bool{}
		m.Handle(event(Stop))
		for _, a := range m.Handle(event(Start)) {
			if a.Verb == Set {
				timers[a.Timer] = true
			}
			dialing = dialing || a.Verb == Dial
		}
		for range rapid.IntRange(1, 60).Draw(r, "events") {
			k := Kind(rapid.IntRange(0, int(kinds)-1).Draw(r, "event"))
			possible := true // as a session's socket and timers allow
			switch k {
			case Connected:
				possible = dialing && !connected
			case Disconnected:
				possible = dialing || connected
			case Opened, Malformed, Notified, Alive, Updated, Refreshed:
				possible = connected
			case RetryExpired:
				possible = timers[ConnectRetry]
			case HoldExpired:
				possible = timers[Hold]
			case KeepaliveExpired:
				possible = timers[Keepalive]
			case IdleHoldExpired:
				possible = timers[IdleHold]
			}
			if !possible {
				continue
			}
			switch k {
			case Connected:
				connected, dialing = true, false
			case Disconnected:
				connected, dialing = false, false
			case RetryExpired:
				delete(timers, ConnectRetry)
			case HoldExpired:
				delete(timers, Hold)
			case KeepaliveExpired:
				delete(timers, Keepalive)
			case IdleHoldExpired:
				delete(timers, IdleHold)
			case Stop:
				stopped = true
			case Start:
				stopped = false
			}
			for _, a := range m.Handle(event(k)) {
				switch a.Verb {
				case Dial:
					dialing = true
				case Close:
					connected, dialing = false, false
				case SendOpen, SendKeepalive, Send:
					if !connected {
						r.Errorf("%s: %v without a connection", k, a)
					}
				case Set:
					timers[a.Timer] = true
				case Clear:
					delete(timers, a.Timer)
				case Up:
					if up {
						r.Errorf("%s: up twice", k)
					}
					up = true
				case Down:
					up = false
				}
			}
			if up != (m.State() == plugins.StateEstablished) {
				r.Errorf("%s: up %v in %s", k, up, m.State())
			}
			if waits := len(timers) > 0; !waits && !stopped && m.State() != plugins.StateEstablished {
				r.Errorf("%s: nothing will ever happen in %s", k, m.State())
			}
			if stopped && (m.State() != plugins.StateIdle || len(timers) > 0) {
				r.Errorf("%s: %s with timers %v after a stop", k, m.State(), timers)
			}
		}
	})
}
