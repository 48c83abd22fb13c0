package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// refBGP is the backend around a refSpeaker, its own or that of a daemon.
type refBGP struct {
	bug    string
	host   *BGPHost
	own    *refSpeaker // nil: the daemon's
	daemon *refDaemon
	have   string // for the bug that believes what it did last
	*watchers
}

// watchers are those who Watch.
type watchers struct {
	mu  sync.Mutex
	all []func(plugins.Change)
}

func (w *watchers) tell(c plugins.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.all {
		f(c)
	}
}

func (b *refBGP) Info() plugins.Info {
	i := plugins.Info{Name: "reference", Version: "1", API: plugins.APIVersion, Kind: plugins.KindBGP, Caps: []plugins.Cap{
		plugins.CapMD5, plugins.CapBFD, plugins.CapTTLSecurity, plugins.CapMultihop, plugins.CapGracefulRestart, plugins.CapLocalAddr,
		plugins.CapLargeCommunities, plugins.CapMED, plugins.CapLocalPref, plugins.CapPrepend, plugins.CapNextHop, plugins.CapPerPeer,
	}}
	if b.daemon != nil {
		i.Caps = append(i.Caps, plugins.CapOutlivesDaemon)
	}
	if b.bug == "says that it is a network backend" {
		i.Kind = plugins.KindNet
	}
	return i
}

func (b *refBGP) Configure(_ context.Context, c plugins.Config) error {
	if b.bug == "takes any key" {
		return nil
	}
	return c.Decode(&struct{}{})
}

func (b *refBGP) Detect(context.Context) (plugins.Detection, error) {
	if b.bug == "announces when it detects" {
		sp, _ := b.speaker()
		sp.apply(plugins.Speaker{})
	}
	return plugins.Detection{Score: 1, Why: "it is there"}, nil
}

// speaker is the one that it works with.
func (b *refBGP) speaker() (*refSpeaker, error) {
	if b.own != nil {
		return b.own, nil
	}
	b.daemon.mu.Lock()
	defer b.daemon.mu.Unlock()
	switch {
	case b.daemon.sp != nil:
		return b.daemon.sp, nil
	case b.bug == "does not say what is down":
		return nil, plugins.ErrUnavailable
	}
	return nil, fmt.Errorf("the reference daemon is down: %w", plugins.ErrUnavailable)
}

// steps compares, line by line.
func (b *refBGP) steps(sp *refSpeaker, want plugins.Speaker) []plugins.Step {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	describe := func(s plugins.Speaker) (all []string) {
		for _, p := range s.Peers {
			secret := len(p.Password)
			if p.Password == wrongPassword {
				secret++
			}
			text := fmt.Sprintf("peer %s %s AS %d of AS %d as %s, %d", p.Name, p.Addr, p.ASN, s.ASN, s.RouterID, secret)
			if b.bug == "tells the password" {
				text += p.Password
			}
			all = append(all, text)
		}
		for _, a := range s.Announcements {
			all = append(all, fmt.Sprintf("announcement %s %v %v %s %v", a.Prefix, a.Communities, a.LargeCommunities, a.NextHop, a.Peers))
		}
		return all
	}
	have, next := describe(sp.want), describe(want)
	var steps []plugins.Step
	for verb, lists := range map[string][2][]string{"add": {next, have}, "remove": {have, next}} {
		for _, line := range lists[0] {
			if !slices.Contains(lists[1], line) || b.bug == "always plans to add" && verb == "add" {
				if b.bug == "does not say what it plans" {
					line = "something"
				}
				steps = append(steps, plugins.Step{Verb: verb, Object: line})
			}
		}
	}
	slices.SortFunc(steps, func(x, y plugins.Step) int { return strings.Compare(x.Object+x.Verb, y.Object+y.Verb) })
	return steps
}

func (b *refBGP) Plan(ctx context.Context, want plugins.Speaker) (plugins.Plan, error) {
	if err := ctx.Err(); err != nil && b.bug != "does not look at its context" {
		return plugins.Plan{}, err
	}
	sp, err := b.speaker()
	if err != nil {
		return plugins.Plan{}, err
	}
	want = canonical(want, b.bug)
	p := plugins.Plan{Steps: b.steps(sp, want)}
	if b.bug == "does it when it plans" {
		sp.apply(want)
	}
	return p, nil
}

func (b *refBGP) Apply(ctx context.Context, want plugins.Speaker) error {
	if err := ctx.Err(); err != nil && b.bug != "does not look at its context" {
		return err
	}
	for _, p := range want.Peers {
		switch {
		case !p.Addr.IsValid() || p.Hold < 3*time.Second || p.TTL > 0 && p.TTLSecurity > 0 || len(p.Password) > 80:
			if b.bug == "tells the password" {
				return fmt.Errorf("peer %+v can't be", p)
			}
			return fmt.Errorf("peer %s can't be", p.Name)
		}
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < endTime {
		switch b.bug {
		case "takes its time":
			<-time.After(2 * endTime)
		case "notes before it has done":
			return b.pretend(want)
		}
	}
	sp, err := b.speaker()
	if err != nil {
		if b.bug == "does as if the daemon were there" {
			return nil
		}
		return err
	}
	want = canonical(want, b.bug)
	if b.bug == "believes what it did last" && b.have == fmt.Sprint(want) {
		return nil
	}
	b.have = fmt.Sprint(want)
	if b.daemon != nil {
		b.daemon.mu.Lock()
		if b.daemon.lines = nil; len(want.Peers) > 0 || b.bug == "leaves a line" {
			b.daemon.lines = []string{"ours"}
		}
		b.daemon.mu.Unlock()
		if b.bug == "keeps what another Apply wanted" {
			sp.mu.Lock()
			for _, a := range sp.want.Announcements {
				if !slices.ContainsFunc(want.Announcements, func(x plugins.Announcement) bool { return x.Prefix == a.Prefix }) {
					want.Announcements = append(want.Announcements, a)
				}
			}
			sp.mu.Unlock()
		}
	}
	sp.apply(want)
	return nil
}

// pretend notes all as sent, and sends nothing.
func (b *refBGP) pretend(want plugins.Speaker) error {
	sp, err := b.speaker()
	if err != nil {
		return err
	}
	want = canonical(want, b.bug)
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.want.Announcements = want.Announcements
	for _, s := range sp.sessions {
		for _, a := range want.Announcements {
			if s.told != nil {
				s.told[a.Prefix] = a
			}
		}
	}
	return context.DeadlineExceeded
}

func (b *refBGP) Observe(ctx context.Context) (plugins.SpeakerState, error) {
	if err := ctx.Err(); err != nil && b.bug != "does not look at its context" {
		return plugins.SpeakerState{}, err
	}
	sp, err := b.speaker()
	if err != nil {
		return plugins.SpeakerState{}, err
	}
	if b.bug == "drops for good what has no address" {
		b.dropAbsent(sp)
	}
	sp.mu.Lock()
	defer sp.mu.Unlock()
	var out plugins.SpeakerState
	for _, p := range sp.want.Peers {
		s := sp.sessions[p.Name]
		if s == nil { // the speaker has fallen over
			continue
		}
		state := s.state
		if state.State == plugins.StateEstablished {
			for x := range s.told {
				state.Announced = append(state.Announced, x)
			}
			if s.unsent != "" {
				state.LastError, state.ErrorAt = s.unsent, state.Since
			}
			if b.bug == "has words of its own" {
				state.State = "up"
			}
		}
		switch b.bug {
		case "does not say what it sent":
			state.Announced = nil
		case "loses count":
			state.Received = min(state.Received, 65535)
		case "says nothing of silence":
			if state.State != plugins.StateEstablished {
				state.LastError = ""
			}
		}
		out.Peers = append(out.Peers, state)
	}
	return out, nil
}

// dropAbsent forgets announcements whose address is not on the host.
func (b *refBGP) dropAbsent(sp *refSpeaker) {
	var here []net.Addr
	err := sp.inside(func() (err error) {
		here, err = net.InterfaceAddrs()
		return err
	})
	sp.mu.Lock()
	defer sp.mu.Unlock()
	for _, a := range sp.want.Announcements {
		held := slices.ContainsFunc(here, func(addr net.Addr) bool {
			p, err := netip.ParsePrefix(addr.String())
			return err == nil && a.Prefix.Contains(p.Addr())
		})
		if err == nil && !held {
			sp.forgotten[a.Prefix] = true
		}
	}
	for _, s := range sp.sessions {
		s.sync()
	}
}

func (b *refBGP) Watch(ctx context.Context, changed func(plugins.Change)) error {
	b.mu.Lock()
	b.all = append(b.all, changed)
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	b.all = nil // one watches at a time
	b.mu.Unlock()
	if b.bug == "ends Watch with an error" {
		return ctx.Err()
	}
	return nil
}

func (b *refBGP) Close() error {
	if b.own != nil {
		b.own.apply(plugins.Speaker{})
		b.own.abort()
	}
	if b.daemon != nil && b.bug == "withdraws when it is closed" {
		if sp, err := b.speaker(); err == nil {
			sp.apply(plugins.Speaker{})
		}
	}
	return nil
}

// refDaemon is a refSpeaker that outlives its backends.
type refDaemon struct {
	bug  string
	host *BGPHost
	*watchers

	mu    sync.Mutex
	sp    *refSpeaker // nil while it is down
	lines []string    // of ours in its configuration
}

func (d *refDaemon) Start(context.Context) error {
	sp, err := newRefSpeaker(d.bug, d.host, d.tell)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sp, d.lines = sp, nil
	return err
}

func (d *refDaemon) Kill() error {
	d.mu.Lock()
	sp := d.sp
	d.sp = nil
	d.mu.Unlock()
	if sp == nil {
		return errors.New("is down already")
	}
	sp.abort()
	if d.bug != "says nothing of the daemon's end" {
		d.tell(plugins.Change{Why: "the daemon is gone", Lost: true})
	}
	return nil
}

func (d *refDaemon) Config(context.Context) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprint("the operator's line", d.lines), nil
}

func (d *refDaemon) Close() error {
	d.mu.Lock()
	sp := d.sp
	d.sp = nil
	d.mu.Unlock()
	if sp != nil {
		sp.abort()
	}
	return nil
}
