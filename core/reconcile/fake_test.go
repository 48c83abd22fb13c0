package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/plugins"
)

// world is a kernel, a network backend and a speaker in memory. It watches the
// order of things: no address leaves while a peer is told its route, no route
// is told without its address.
type world struct {
	mu       sync.Mutex
	addrs    map[netip.Addr]time.Time // on the host, since when
	gone     map[netip.Addr]time.Time // left the host, when
	linkDown bool
	speaker  plugins.Speaker
	up       map[string]bool // sessions
	told     map[string]map[netip.Prefix]bool
	deaf     map[string]netip.Prefix // what a peer is never told
	owned    map[netip.Addr]plugins.VIP
	checks   health.View
	failOpen bool // a route may stay though its check fails
	stale    bool // a file of the backend's is not as it should be, and no event told of it
	netErr   error
	bgpErr   error
	netSlow  time.Duration
	bgpSlow  time.Duration
	netCalls int
	bgpCalls int
	updates  int // announcements and withdrawals that peers were sent
	holdDown time.Duration
	broken   []string // rules that were broken

	changed chan struct{}
	ready   chan struct{}
	events  chan plugins.Change
}

func newWorld(holdDown time.Duration) *world {
	w := &world{
		addrs: map[netip.Addr]time.Time{}, gone: map[netip.Addr]time.Time{}, up: map[string]bool{},
		told: map[string]map[netip.Prefix]bool{}, owned: map[netip.Addr]plugins.VIP{}, holdDown: holdDown,
		changed: make(chan struct{}, 1), ready: make(chan struct{}), events: make(chan plugins.Change, 100),
	}
	close(w.ready)
	return w
}

// do changes the world from outside, and tells the loop as a kernel and a
// speaker would.
func (w *world) do(f func()) {
	w.mu.Lock()
	f()
	w.check()
	w.mu.Unlock()
	w.kick()
}

func (w *world) kick() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *world) health() health.View {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.checks
}

// routes are what the speaker holds.
func (w *world) routes() []plugins.Announcement {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.speaker.Announcements
}

func (w *world) put(a netip.Addr)  { w.addrs[a] = time.Now(); delete(w.gone, a) }
func (w *world) take(a netip.Addr) { delete(w.addrs, a); w.gone[a] = time.Now() }

func (w *world) session(peer string, up bool) {
	w.up[peer] = up
	w.told[peer] = map[netip.Prefix]bool{}
	w.tell()
}

// tell sends the sessions that are up what the speaker holds.
func (w *world) tell() {
	held := map[netip.Prefix]bool{}
	for _, a := range w.speaker.Announcements {
		held[a.Prefix] = true
	}
	for peer, up := range w.up {
		if !up {
			continue
		}
		for p := range held {
			if !w.told[peer][p] && w.deaf[peer] != p {
				w.updates++
				w.told[peer][p] = true
			}
		}
		for p := range w.told[peer] {
			if !held[p] {
				w.updates++
				delete(w.told[peer], p)
			}
		}
	}
	select {
	case w.events <- plugins.Change{Object: "session"}:
	default:
	}
}

// check holds the rules against the present moment. The hold-down is the one
// time for which a route may outlive its address.
func (w *world) check() {
	for peer, prefixes := range w.told {
		for p := range prefixes {
			check := w.checks[fmt.Sprintf("vip%d/tcp", p.Addr().As4()[3])]
			if check.State == health.Down && !w.failOpen && time.Since(check.Since) > w.bgpSlow*2+time.Millisecond {
				w.broken = append(w.broken, fmt.Sprintf("%s is told %s, whose check fails", peer, p))
			}
			if _, ok := w.addrs[p.Addr()]; ok {
				continue
			}
			left, was := w.gone[p.Addr()]
			if !was || time.Since(left) > w.holdDown+w.bgpSlow*2+time.Millisecond {
				w.broken = append(w.broken, fmt.Sprintf("%s is told %s, which the host does not hold", peer, p))
			}
		}
	}
}

func (w *world) View() host.View {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := host.View{Links: map[string]host.Link{"lo": {Name: "lo", Up: !w.linkDown, Why: "lo is down"}}, Addrs: map[netip.Addr][]host.Addr{}}
	for a := range w.addrs {
		v.Addrs[a] = []host.Addr{{Prefix: netip.PrefixFrom(a, a.BitLen()), Link: "lo", Usable: true}}
	}
	return v
}
func (w *world) Changed() <-chan struct{} { return w.changed }
func (w *world) Ready() <-chan struct{}   { return w.ready }

// base are the calls that say nothing here.
type base struct{ w *world }

func (base) Info() plugins.Info                                      { return plugins.Info{Name: "fake"} }
func (base) Configure(context.Context, plugins.Config) error         { return nil }
func (base) Detect(context.Context) (plugins.Detection, error)       { return plugins.Detection{}, nil }
func (base) Close() error                                            { return nil }
func (base) Watch(ctx context.Context, _ func(plugins.Change)) error { <-ctx.Done(); return nil }

type fakeNet struct{ base }

func (n fakeNet) Plan(_ context.Context, want []plugins.VIP) (plugins.Plan, error) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	var p plugins.Plan
	wanted := map[netip.Addr]bool{}
	for _, v := range want {
		wanted[v.Addr] = true
		if _, ok := n.w.addrs[v.Addr]; !ok {
			p.Steps = append(p.Steps, plugins.Step{Verb: "add"})
		}
	}
	for a := range n.w.owned {
		if !wanted[a] {
			p.Steps = append(p.Steps, plugins.Step{Verb: "remove"})
		}
	}
	if n.w.stale {
		p.Steps = append(p.Steps, plugins.Step{Verb: "change"})
	}
	return p, nil
}

func (n fakeNet) Apply(ctx context.Context, want []plugins.VIP) error {
	if err := wait(ctx, n.w.netSlow); err != nil {
		return err
	}
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	defer n.w.kick()
	n.w.netCalls++
	if n.w.netErr != nil {
		return n.w.netErr
	}
	n.w.stale = false
	wanted := map[netip.Addr]bool{}
	for _, v := range want {
		wanted[v.Addr] = true
		n.w.owned[v.Addr] = v
		if _, ok := n.w.addrs[v.Addr]; !ok {
			n.w.put(v.Addr)
		}
	}
	for a := range n.w.owned {
		if wanted[a] {
			continue
		}
		for peer, prefixes := range n.w.told {
			if prefixes[netip.PrefixFrom(a, 32)] {
				n.w.broken = append(n.w.broken, fmt.Sprintf("%s was taken off the host while %s is told its route", a, peer))
			}
		}
		n.w.take(a)
		delete(n.w.owned, a)
	}
	n.w.check()
	return nil
}

func (n fakeNet) Observe(context.Context) ([]plugins.VIPState, error) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	var all []plugins.VIPState
	for a, v := range n.w.owned {
		_, on := n.w.addrs[a]
		all = append(all, plugins.VIPState{VIP: v, OnHost: on})
	}
	return all, nil
}

type fakeBGP struct{ base }

func (b fakeBGP) Watch(ctx context.Context, changed func(plugins.Change)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-b.w.events:
			changed(c)
		}
	}
}

func (b fakeBGP) Plan(_ context.Context, want plugins.Speaker) (plugins.Plan, error) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if fmt.Sprint(want) == fmt.Sprint(b.w.speaker) {
		return plugins.Plan{}, nil
	}
	return plugins.Plan{Steps: []plugins.Step{{Verb: "change"}}}, nil
}

func (b fakeBGP) Apply(ctx context.Context, want plugins.Speaker) error {
	if err := wait(ctx, b.w.bgpSlow); err != nil {
		return err
	}
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	b.w.bgpCalls++
	if b.w.bgpErr != nil {
		return b.w.bgpErr
	}
	b.w.speaker = want
	b.w.tell()
	b.w.check()
	return nil
}

func (b fakeBGP) Observe(context.Context) (plugins.SpeakerState, error) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	var s plugins.SpeakerState
	for _, p := range b.w.speaker.Peers {
		state := plugins.PeerState{Name: p.Name, State: plugins.StateActive}
		if b.w.up[p.Name] {
			state.State = plugins.StateEstablished
			for prefix := range b.w.told[p.Name] {
				state.Announced = append(state.Announced, prefix)
			}
			slices.SortFunc(state.Announced, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
		}
		s.Peers = append(s.Peers, state)
	}
	return s, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

var errFake = errors.New("the fake is told to fail")

// conf is a config with the VIPs 203.0.113.N/32 for each n, and two peers.
func conf(n ...int) *config.Config {
	c := &config.Config{}
	c.Network.HoldDown = 500 * time.Millisecond
	c.BGP.ASN, c.BGP.DrainGrace, c.BGP.OnExit = 65001, 2*time.Second, config.OnExitWithdraw
	c.BGP.Peers = []plugins.Peer{{Name: "rs1", ASN: 65000}, {Name: "rs2", ASN: 65000}}
	for _, i := range slices.Compact(slices.Sorted(slices.Values(n))) {
		a := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		c.VIPs = append(c.VIPs, config.VIP{
			Name: fmt.Sprintf("vip%d", i), Addr: a, Prefix: netip.PrefixFrom(a, 32), Link: "lo", Role: config.Primary,
			Attrs:      config.Attrs{Communities: []plugins.Community{65000<<16 | 1}},
			DrainAttrs: config.Attrs{Communities: []plugins.Community{65000<<16 | 2, plugins.GracefulShutdown}},
		})
	}
	return c
}

func vip(n int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(n)}) }

func routerID(host.View, *config.Config) netip.Addr { return netip.MustParseAddr("192.0.2.7") }

func openLatches(t testing.TB, dir string) *LatchStore {
	t.Helper()
	s, err := OpenLatches(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs a loop over w, and gives it with the function that stops it.
func start(t *testing.T, dir string, w *world, c *config.Config) (*Loop, func()) {
	t.Helper()
	drains, err := OpenDrains(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := New(Options{
		Net: fakeNet{base{w}}, BGP: fakeBGP{base{w}}, Host: w, Drains: drains, Latches: openLatches(t, dir), Health: w.health, Log: slog.New(slog.DiscardHandler), Version: "test",
		DeriveRouterID: routerID,
	}, c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.Run(ctx, nil) }()
	return l, func() {
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}
