package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/plugins"
)

// exchange are peers that keep one session each, whoever has it.
type exchange struct {
	mu     sync.Mutex
	holder map[string]*rival
	told   map[string]int // prefixes, by peer
	bare   int            // the most peers that were without routes at one time
	broken []string
}

// rival is a speaker that shares the exchange with another one.
type rival struct {
	base
	name    string
	x       *exchange
	want    plugins.Speaker
	connect time.Duration // how long a session takes to come up
	refused bool          // none ever does
	events  chan plugins.Change
}

func (r *rival) Info() plugins.Info { return plugins.Info{Name: r.name} }

func (r *rival) Watch(ctx context.Context, changed func(plugins.Change)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-r.events:
			changed(c)
		}
	}
}

func (r *rival) Plan(_ context.Context, want plugins.Speaker) (plugins.Plan, error) {
	r.x.mu.Lock()
	defer r.x.mu.Unlock()
	if fmt.Sprint(want) == fmt.Sprint(r.want) {
		return plugins.Plan{}, nil
	}
	return plugins.Plan{Steps: []plugins.Step{{Verb: "change"}}}, nil
}

func (r *rival) Apply(_ context.Context, want plugins.Speaker) error {
	r.x.mu.Lock()
	defer r.x.mu.Unlock()
	r.want = want
	for peer, h := range r.x.holder {
		if h == r && !r.wants(peer) {
			delete(r.x.holder, peer)
			r.x.told[peer] = 0
		}
	}
	for _, p := range want.Peers {
		switch r.x.holder[p.Name] {
		case r:
			r.x.told[p.Name] = len(want.Announcements)
		case nil:
			time.AfterFunc(r.connect, func() { r.up(p.Name) })
		default:
			r.x.broken = append(r.x.broken, fmt.Sprintf("%s dials %s, which has a session with %s", r.name, p.Name, r.x.holder[p.Name].name))
		}
	}
	r.x.count()
	return nil
}

func (r *rival) wants(peer string) bool {
	return slices.ContainsFunc(r.want.Peers, func(p plugins.Peer) bool { return p.Name == peer })
}

func (r *rival) up(peer string) {
	r.x.mu.Lock()
	defer r.x.mu.Unlock()
	if r.refused || !r.wants(peer) || r.x.holder[peer] != nil {
		return
	}
	r.x.holder[peer], r.x.told[peer] = r, len(r.want.Announcements)
	r.events <- plugins.Change{Object: peer}
}

func (x *exchange) count() {
	bare := 0
	for _, n := range x.told {
		if n == 0 {
			bare++
		}
	}
	x.bare = max(x.bare, bare)
}

func (r *rival) Observe(context.Context) (plugins.SpeakerState, error) {
	r.x.mu.Lock()
	defer r.x.mu.Unlock()
	var s plugins.SpeakerState
	for _, p := range r.want.Peers {
		state := plugins.PeerState{Name: p.Name, State: plugins.StateActive, LastError: "refused"}
		if r.x.holder[p.Name] == r {
			state.State, state.LastError = plugins.StateEstablished, ""
			for _, a := range r.want.Announcements {
				state.Announced = append(state.Announced, a.Prefix)
			}
		}
		s.Peers = append(s.Peers, state)
	}
	return s, nil
}

// duel is a loop with one of two rivals at work.
type duel struct {
	*exchange
	loop     *Loop
	old, new *rival
	left     []string
}

func newDuel(t *testing.T, earlier bool) (*duel, func()) {
	t.Helper()
	w := newWorld(500 * time.Millisecond)
	w.put(vip(1))
	x := &exchange{holder: map[string]*rival{}, told: map[string]int{}}
	d := &duel{exchange: x}
	for name, r := range map[string]**rival{"old": &d.old, "new": &d.new} {
		*r = &rival{name: name, x: x, connect: time.Second, events: make(chan plugins.Change, 100)}
	}
	drains, err := OpenDrains(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Net: fakeNet{base{w}}, BGP: d.old, Host: w, Drains: drains, Latches: openLatches(t, t.TempDir()), Log: slog.New(slog.DiscardHandler),
		DeriveRouterID: func(host.View, *config.Config) netip.Addr { return netip.MustParseAddr("192.0.2.7") },
		Left:           func(name string) { d.left = append(d.left, name) },
	}
	if earlier {
		o.BGP, o.Earlier = d.new, d.old
	}
	d.loop = New(o, conf(1))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- d.loop.Run(ctx, nil) }()
	return d, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, what := range d.broken {
			t.Error(what)
		}
		if len(d.holder) != 0 {
			t.Errorf("sessions left behind: %v", d.holder)
		}
	}
}

func (d *duel) holders() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for peer, r := range d.holder {
		all = append(all, peer+"="+r.name)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (d *duel) hand(t *testing.T, r *rival) {
	t.Helper()
	if err := d.loop.SetSpeaker(r); err != nil {
		t.Fatal(err)
	}
}

func TestHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDuel(t, false)
		defer stop()
		settle(3 * time.Second)
		d.bare = 0
		d.hand(t, d.new)
		settle(500 * time.Millisecond)
		if got := d.holders(); got != "rs2=old" {
			t.Errorf("while the first peer is on its way: %s", got)
		}
		if s := d.loop.Status(); s.Converged || s.BGP.Backend != "new" || len(s.VIPs[0].AnnouncedTo) != 1 {
			t.Errorf("meanwhile: %+v", s)
		}
		settle(10 * time.Second)
		if got := d.holders(); got != "rs1=new rs2=new" {
			t.Errorf("in the end: %s", got)
		}
		if d.bare != 1 {
			t.Errorf("%d peers were without routes at one time", d.bare)
		}
		if s := d.loop.Status(); !s.Converged || len(s.Problems) > 0 || len(s.VIPs[0].AnnouncedTo) != 2 {
			t.Errorf("in the end: %+v", s)
		}
		if got := fmt.Sprint(d.left); got != "[old]" {
			t.Errorf("left: %s", got)
		}
		d.hand(t, d.old) // and back
		settle(10 * time.Second)
		if got := d.holders(); got != "rs1=old rs2=old" {
			t.Errorf("after the way back: %s", got)
		}
	})
}

func TestHandoverIsTurnedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDuel(t, false)
		defer stop()
		settle(3 * time.Second)
		d.new.refused, d.bare = true, 0
		d.hand(t, d.new)
		settle(time.Minute)
		if got := d.holders(); got != "rs1=old rs2=old" {
			t.Errorf("holders %s", got)
		}
		if d.bare != 1 {
			t.Errorf("%d peers were without routes at one time", d.bare)
		}
		s := d.loop.Status()
		if s.Converged || s.BGP.Backend != "old" || len(s.Problems) != 1 || !strings.HasPrefix(s.Problems[0].Message, "new could not take over peer rs1 within 20s (refused)") {
			t.Errorf("status %+v", s)
		}
		d.new.refused = false
		d.hand(t, d.new)
		settle(time.Minute)
		if s := d.loop.Status(); d.holders() != "rs1=new rs2=new" || !s.Converged {
			t.Errorf("the second try: %s, %+v", d.holders(), s)
		}
	})
}

func TestHandoverTurnsRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDuel(t, false)
		defer stop()
		settle(3 * time.Second)
		d.hand(t, d.new)
		settle(1500 * time.Millisecond) // the second peer is on its way
		d.hand(t, d.old)
		settle(time.Minute)
		if s := d.loop.Status(); d.holders() != "rs1=old rs2=old" || !s.Converged {
			t.Errorf("%s, %+v", d.holders(), s)
		}
	})
}

func TestThirdSpeakerIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDuel(t, false)
		defer stop()
		settle(3 * time.Second)
		d.hand(t, d.new)
		settle(500 * time.Millisecond)
		if err := d.loop.SetSpeaker(&rival{name: "third"}); err != ErrHandover {
			t.Errorf("got %v", err)
		}
	})
}

// A driven daemon outlived the run before this one, and has the peers.
func TestEarlierSpeakerHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDuel(t, true)
		defer stop()
		settle(3500 * time.Millisecond)
		settle(30 * time.Second)
		if s := d.loop.Status(); d.holders() != "rs1=new rs2=new" || !s.Converged || s.BGP.Backend != "new" {
			t.Errorf("%s, %+v", d.holders(), s)
		}
	})
}

func TestStopDuringHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDuel(t, false)
		settle(3 * time.Second)
		d.hand(t, d.new)
		settle(1500 * time.Millisecond)
		stop()
	})
}
