package conformance

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/hosts"
	"github.com/stentor-net/stentor/contrib/lab/span"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
)

// bfdTimers are those that the config has by default.
var bfdTimers = plugins.BFD{TX: 300 * time.Millisecond, RX: 300 * time.Millisecond, Multiplier: 3}

// spanned is a backend on the near host of a span.
type spanned struct {
	*testing.T
	*span.Span
	far   span.Speaker
	b     plugins.BGPBackend
	ctx   context.Context
	peers []plugins.Peer
}

// farSpeakers are those of others, and the programs that they need.
var farSpeakers = map[string]struct {
	make  func(*span.Span, span.Options) (span.Speaker, error)
	needs []string
}{
	"frr":    {span.NewFRR, []string{frrDir + "bgpd", frrDir + "bfdd", vtysh}},
	"bird":   {span.NewBIRD, []string{birdPath}},
	"gobgpd": {span.NewGoBGP, []string{"gobgpd", "gobgp"}},
	"exabgp": {span.NewExaBGP, []string{"exabgp"}},
}

// newSpanned puts a backend and a far speaker on the two hosts; root is where
// the latter's programs are, nil for this system's.
func newSpanned(t *testing.T, name, far string, o span.Options, root *hosts.Speakers) *spanned {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	for _, program := range farSpeakers[far].needs {
		if _, err := exec.LookPath(program); err != nil && root == nil {
			t.Skipf("needs %s: %v", program, err)
		}
	}
	dir, err := os.MkdirTemp("", "span") // FRR's own user must be able to enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run, err := os.MkdirTemp("", "span")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	if err := os.Chmod(run, 0o755); err != nil {
		t.Fatal(err)
	}
	if root != nil {
		jail, err := root.Jail(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		o.Inside = jail.Command
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	s := &spanned{T: t, ctx: ctx}
	if s.Span, err = span.New(fmt.Sprintf("span%d-%s-%s", os.Getpid(), name, far), dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Span.Close(); err != nil {
			t.Error(err)
		}
	})
	if s.far, err = farSpeakers[far].make(s.Span, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.far.Close() })
	if err := s.far.Start(ctx); err != nil {
		t.Fatal(err)
	}
	s.peers = span.Peers()
	for i := range s.peers {
		p := &s.peers[i]
		p.Hold, p.Keepalive, p.ConnectRetry = 9*time.Second, 3*time.Second, time.Second
		if o.BFD != nil {
			bfd := *o.BFD
			p.BFD = &bfd
		}
	}
	p, err := isolated(name)
	if err != nil {
		t.Fatal(err)
	}
	if s.b, err = open(ctx, p, host.Options{}, place{dir: run, netns: s.NetNS()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.b.Close() })
	if err := s.b.Configure(ctx, plugins.Config{StateDir: dir}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *spanned) apply(announcements ...plugins.Announcement) {
	s.Helper()
	if err := s.b.Apply(s.ctx, plugins.Speaker{ASN: span.NearASN, RouterID: span.RouterID, Peers: s.peers, Announcements: announcements}); err != nil {
		s.Fatalf("Apply: %v", err)
	}
}

// until polls, and gives how long it took.
func (s *spanned) until(what string, check func() error) time.Duration {
	s.Helper()
	began := time.Now()
	for {
		err := check()
		if err == nil {
			return time.Since(began)
		}
		select {
		case <-s.ctx.Done():
			state, _ := s.b.Observe(context.Background())
			s.Fatalf("waiting for %s: %v; Observe tells %+v\nthe far side's view:\n%s", what, err, state, s.far.Show(context.Background()))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// held waits until the far speaker has the prefix from n of the sessions.
func (s *spanned) held(what string, p netip.Prefix, n int) time.Duration {
	s.Helper()
	return s.until(what, func() error {
		from, err := s.far.Holds(s.ctx, p)
		if err == nil && len(from) != n {
			err = fmt.Errorf("it has %s from %v", p, from)
		}
		return err
	})
}

// bfdIs waits for a state of BFD with every peer.
func (s *spanned) bfdIs(state string) time.Duration {
	s.Helper()
	return s.until("BFD to be "+state, func() error {
		now, err := s.b.Observe(s.ctx)
		if err != nil {
			return err
		}
		for _, p := range now.Peers {
			if p.BFD == nil || p.BFD.State != state {
				return fmt.Errorf("%s: %+v", p.Name, p.BFD)
			}
		}
		return nil
	})
}

// TestBFD: with peers of both families, over one hop and over several, a silent
// cut ends the sessions on both sides within the Detection Time, and the routes
// are back soon after the path is.
func TestBFD(t *testing.T) {
	for _, name := range []string{"native", "gobgp"} {
		for _, far := range []string{"frr", "bird"} {
			t.Run(name+" to "+far, func(t *testing.T) {
				t.Parallel()
				testBFD(t, name, far, nil)
			})
		}
	}
}

func testBFD(t *testing.T, name, far string, root *hosts.Speakers) {
	s := newSpanned(t, name, far, span.Options{BFD: &bfdTimers}, root)
	s.apply(role(vip4, primary))
	all := len(s.peers)
	t.Logf("announced by %d sessions after %s", all, s.held("the announcement", vip4, all))
	t.Logf("BFD is up with all after %s more", s.bfdIs("up"))
	for range 2 {
		s.until("the far bgpd to know too", func() error {
			const told = time.Second // by its bfdd
			return s.sessions(func(p plugins.PeerState) bool { return p.BFD.State == "up" && time.Since(p.BFD.Since) > told })
		})
		if err := s.Cut(); err != nil {
			t.Fatal(err)
		}
		cut := time.Now()
		near := s.until("the sessions to end here", func() error {
			return s.sessions(func(p plugins.PeerState) bool { return p.State != plugins.StateEstablished })
		})
		t.Logf("after a silent cut: ended here after %s, gone there after %s", near, s.held("the route to go", vip4, 0)+near)
		if took := time.Since(cut); took > 8*time.Second {
			t.Errorf("the Hold Time did it, not BFD: %s", took)
		}
		if err := s.Heal(); err != nil {
			t.Fatal(err)
		}
		back := s.held("the route again", vip4, all)
		t.Logf("the path is back: BFD is up after %s, announced again after %s", back+s.bfdIs("up"), back)
	}
	if far == "frr" { // BIRD's BFD is a part of it
		s.restartsBFD(all)
	}
	if far != "frr" || root == nil {
		s.switchesOff(all)
	} // FRR 10 lets no session up while it misses BFD: there it has to go at both ends
}

// TestSignedBFD: BIRD takes packets that are signed, and other ones come from
// it; who has another key is not heard, which BGP bears.
func TestSignedBFD(t *testing.T) {
	for _, name := range []string{"native", "gobgp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signed := bfdTimers
			signed.Password, signed.KeyID, signed.Meticulous = "s3cret", 3, true
			s := newSpanned(t, name, "bird", span.Options{BFD: &signed, Auth: `authentication meticulous keyed sha1; password "s3cret" { id 3; };`}, nil)
			s.apply(role(vip4, primary))
			t.Logf("announced after %s, BFD is up after %s more", s.held("the announcement", vip4, len(s.peers)), s.bfdIs("up"))
			if err := s.Cut(); err != nil {
				t.Fatal(err)
			}
			t.Logf("the route is gone %s after a silent cut", s.held("the route to go", vip4, 0))
			if err := s.Heal(); err != nil {
				t.Fatal(err)
			}
			t.Logf("up again after %s", s.bfdIs("up"))
			for i := range s.peers {
				s.peers[i].BFD.Password = "other"
			}
			s.apply(role(vip4, primary))
			s.held("the route without BFD", vip4, len(s.peers))
			s.until("the reason in words", func() error {
				return s.sessions(func(p plugins.PeerState) bool {
					return p.State == plugins.StateEstablished && p.BFD.State == "down" && strings.Contains(p.BFD.Why, "check the key")
				})
			})
		})
	}
}

// sessions tells which sessions are not as they should be.
func (s *spanned) sessions(is func(plugins.PeerState) bool) error {
	now, err := s.b.Observe(s.ctx)
	if err != nil {
		return err
	}
	for _, p := range now.Peers {
		if !is(p) {
			return fmt.Errorf("%s: %+v", p.Name, p)
		}
	}
	return nil
}

// restartsBFD kills the far BFD daemon: BGP goes on without it, and BFD comes
// back with it.
func (s *spanned) restartsBFD(all int) {
	s.Helper()
	if err := s.far.Kill("bfdd"); err != nil {
		s.Fatal(err)
	}
	s.Logf("bfdd was killed: BFD is down after %s", s.bfdIs("down"))
	s.Logf("and BGP goes on without it after %s", s.held("the route without BFD", vip4, all))
	if err := s.far.Start(s.ctx); err != nil {
		s.Fatal(err)
	}
	s.Logf("BFD is up %s after bfdd's start", s.bfdIs("up"))
	s.held("the route with bfdd again", vip4, all)
}

// switchesOff takes BFD out of the config. FRR and BIRD take the peer's
// AdminDown for a failure, other than RFC 5882 §3.2 wants it, and end each
// session once; then all is as without BFD.
func (s *spanned) switchesOff(all int) {
	s.Helper()
	for i := range s.peers {
		s.peers[i].BFD = nil
	}
	s.apply(role(vip4, primary))
	const calm = 2500 * time.Millisecond // longer than a peer takes to miss packets
	s.until("sessions that stay up", func() error {
		return s.sessions(func(p plugins.PeerState) bool {
			return p.BFD == nil && p.State == plugins.StateEstablished && time.Since(p.Since) > calm
		})
	})
	s.held("the route with BFD off", vip4, all)
}
