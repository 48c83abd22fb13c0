// Command exabgp is a BGP backend that drives ExaBGP 4.2 through its process
// API: one ExaBGP for each peer, so that a change of one never touches another.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/stentor-net/stentor/plugins"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == relayVerb { // run by ExaBGP
		os.Exit(relay(os.Args[2]))
	}
	plugins.ServeBGP(func(log *slog.Logger) plugins.BGPBackend {
		return &backend{log: log, sessions: map[string]*session{}, changes: make(chan plugins.Change, 64)}
	})
}

// backend is a plugins.BGPBackend.
type backend struct {
	log     *slog.Logger
	program string // ExaBGP's
	changes chan plugins.Change

	apply    sync.Mutex // held by one Apply at a time
	mu       sync.Mutex
	sessions map[string]*session // by the peer's name
}

func (b *backend) Info() plugins.Info {
	return plugins.Info{
		Name: "exabgp", Version: "1.0", API: plugins.APIVersion, Kind: plugins.KindBGP,
		Caps: []plugins.Cap{plugins.CapMD5, plugins.CapMultihop, plugins.CapLocalAddr, plugins.CapLargeCommunities,
			plugins.CapMED, plugins.CapLocalPref, plugins.CapPrepend, plugins.CapPerPeer},
	}
}

func (b *backend) Configure(_ context.Context, c plugins.Config) error {
	settings := struct {
		Program string `json:"program"`
	}{"exabgp"}
	if err := c.Decode(&settings); err != nil {
		return err
	}
	if c.Root != "" {
		return fmt.Errorf("ExaBGP leaves nothing below %s: %w", c.Root, plugins.ErrUnsupported)
	}
	b.program = settings.Program
	return nil
}

func (b *backend) Detect(ctx context.Context) (plugins.Detection, error) {
	path, err := exec.LookPath(b.program)
	if err != nil {
		return plugins.Detection{Why: "ExaBGP is not installed"}, ctx.Err()
	}
	return plugins.Detection{Score: 10, Why: "ExaBGP is installed", Signals: []plugins.Signal{{Name: "program", Value: path}}}, ctx.Err()
}

// target is what one peer's session shall be.
type target struct {
	config string // ExaBGP's, which may hold a password
	peer   plugins.Peer
	routes map[netip.Prefix]route
}

// targets takes want apart by peers.
func targets(want plugins.Speaker) (map[string]target, error) {
	all := map[string]target{}
	for _, p := range want.Peers {
		config, err := neighbor(want, p)
		if err != nil {
			return nil, err
		}
		all[p.Name] = target{config: config, peer: p, routes: map[netip.Prefix]route{}}
	}
	for _, a := range want.Announcements {
		for name, t := range all {
			if len(a.Peers) == 0 || slices.Contains(a.Peers, name) {
				t.routes[a.Prefix.Masked()] = newRoute(want.ASN, t.peer, a)
			}
		}
	}
	return all, nil
}

// Plan compares with what the sessions were told to be: ExaBGP keeps nothing
// from one process to the next.
func (b *backend) Plan(ctx context.Context, want plugins.Speaker) (p plugins.Plan, err error) {
	if err := ctx.Err(); err != nil {
		return p, err
	}
	wanted, err := targets(want)
	if err != nil {
		return p, err
	}
	have := b.present()
	steps := map[plugins.Step]bool{}
	for name, s := range have {
		if t, ok := wanted[name]; !ok || s.ending() {
			steps[plugins.Step{Verb: "remove", Object: "peer " + name + " " + s.peer.Addr.String()}] = true
		} else if t.config != s.config {
			steps[plugins.Step{Verb: "restart", Object: "peer " + name + " " + s.peer.Addr.String()}] = true
		}
	}
	for name, t := range wanted {
		now := map[netip.Prefix]route{}
		if s, ok := have[name]; ok {
			now = s.wanted()
		} else {
			steps[plugins.Step{Verb: "add", Object: "peer " + name + " " + t.peer.Addr.String()}] = true
		}
		for prefix, r := range t.routes {
			if old, ok := now[prefix]; !ok {
				steps[plugins.Step{Verb: "add", Object: "prefix " + prefix.String() + " to " + name, Diff: r.String()}] = true
			} else if old != r {
				steps[plugins.Step{Verb: "change", Object: "prefix " + prefix.String() + " to " + name, Diff: r.String()}] = true
			}
		}
		for prefix := range now {
			if _, ok := t.routes[prefix]; !ok {
				steps[plugins.Step{Verb: "remove", Object: "prefix " + prefix.String() + " to " + name}] = true
			}
		}
	}
	for s := range steps {
		p.Steps = append(p.Steps, s)
	}
	slices.SortFunc(p.Steps, func(x, y plugins.Step) int { return strings.Compare(x.Object+x.Verb, y.Object+y.Verb) })
	return p, nil
}

func (b *backend) Apply(ctx context.Context, want plugins.Speaker) error {
	b.apply.Lock()
	defer b.apply.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	wanted, err := targets(want)
	if err != nil {
		return err
	}
	program, err := exec.LookPath(b.program)
	if err != nil && len(wanted) > 0 {
		return fmt.Errorf("ExaBGP can't be run: %w; on Debian: apt-get install exabgp: %w", err, plugins.ErrUnavailable)
	}
	var ends sync.WaitGroup
	for name, s := range b.present() {
		if t, ok := wanted[name]; ok && t.config == s.config && !s.ending() {
			continue
		}
		ends.Go(func() {
			if s.end(ctx) == nil {
				b.forget(name)
			}
		})
	}
	ends.Wait()
	if err := ctx.Err(); err != nil {
		return err // what has not ended is ended by the next Apply
	}
	have := b.present()
	for name, t := range wanted {
		if s, ok := have[name]; ok {
			s.want(t.routes)
			continue
		}
		s, err := start(b.log.With("peer", name), program, t, b.tell)
		if err != nil {
			return err
		}
		b.mu.Lock()
		b.sessions[name] = s
		b.mu.Unlock()
	}
	return nil
}

// present is a copy of the sessions.
func (b *backend) present() map[string]*session {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]*session{}
	for name, s := range b.sessions {
		all[name] = s
	}
	return all
}

func (b *backend) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.sessions, name)
}

func (b *backend) Observe(ctx context.Context) (s plugins.SpeakerState, err error) {
	for _, x := range b.present() {
		s.Peers = append(s.Peers, x.observe())
	}
	slices.SortFunc(s.Peers, func(x, y plugins.PeerState) int { return strings.Compare(x.Name, y.Name) })
	return s, ctx.Err()
}

// tell is for Watch. When nobody has listened for long, there are hints enough.
func (b *backend) tell(c plugins.Change) {
	select {
	case b.changes <- c:
	default:
	}
}

func (b *backend) Watch(ctx context.Context, changed func(plugins.Change)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-b.changes:
			changed(c)
		}
	}
}

// Close ends the ExaBGPs without a word to the peers: their routes are not
// withdrawn by us.
func (b *backend) Close() error {
	var errs []error
	for _, s := range b.present() {
		errs = append(errs, s.kill())
	}
	return errors.Join(errs...)
}

// folder makes a folder for one ExaBGP. It is named in a socket's path, which
// has 108 bytes (unix(7)).
func folder() (string, error) {
	dir, err := os.MkdirTemp("", "x")
	if err != nil {
		return "", err
	}
	return filepath.Abs(dir)
}
