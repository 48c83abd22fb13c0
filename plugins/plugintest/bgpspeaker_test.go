package plugintest

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// refSpeaker is a send-only BGP speaker in which nothing but the contract
// matters. It breaks the one promise that bug names.
type refSpeaker struct {
	bug  string
	host *BGPHost
	ns   int                  // the host's network namespace
	tell func(plugins.Change) // to all who watch

	mu        sync.Mutex
	want      plugins.Speaker // in canonical form
	routerID  netip.Addr
	sessions  map[string]*refSession
	forgotten map[netip.Prefix]bool
	dialling  chan struct{} // for the bug that lets one wait for the other
}

// refSession is the session with one peer; the speaker's mu guards it.
type refSession struct {
	bug  string
	sp   *refSpeaker
	peer plugins.Peer
	stop context.CancelFunc
	done chan struct{}

	conn     net.Conn
	offers   peerOffers
	state    plugins.PeerState
	told     map[netip.Prefix]plugins.Announcement
	unsent   string
	failures int
}

func newRefSpeaker(bug string, host *BGPHost, tell func(plugins.Change)) (*refSpeaker, error) {
	sp := &refSpeaker{bug: bug, host: host, tell: tell, sessions: map[string]*refSession{}, forgotten: map[netip.Prefix]bool{}, dialling: make(chan struct{}, 1)}
	err := host.Do(func() (err error) {
		sp.ns, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	return sp, err
}

// inside runs f on a thread of the host.
func (sp *refSpeaker) inside(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Setns(sp.ns, unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// abort ends all connections as the death of a process does.
func (sp *refSpeaker) abort() {
	sp.mu.Lock()
	gone := sp.sessions
	sp.sessions, sp.want = map[string]*refSession{}, plugins.Speaker{}
	sp.mu.Unlock()
	for _, s := range gone {
		s.stop()
		<-s.done
	}
	unix.Close(sp.ns)
}

// apply makes the speaker hold want, in canonical form.
func (sp *refSpeaker) apply(want plugins.Speaker) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	other := want.ASN != sp.want.ASN || want.RouterID != sp.want.RouterID
	if !sp.routerID.IsValid() || want.RouterID.IsValid() && sp.bug != "keeps its first router ID" {
		sp.routerID = want.RouterID
	}
	if sp.bug == "restarts all sessions" && fmt.Sprint(want.Peers) != fmt.Sprint(sp.want.Peers) || sp.bug == "restarts at each Apply" {
		other = true
	}
	peers := map[string]plugins.Peer{}
	for _, p := range want.Peers {
		peers[p.Name] = p
	}
	for name, s := range sp.sessions {
		if p, ok := peers[name]; !ok || other || fmt.Sprint(p) != fmt.Sprint(s.peer) {
			s.goodbye()
			delete(sp.sessions, name)
		}
	}
	if sp.bug == "withdraws at each change" && len(want.Announcements) != len(sp.want.Announcements) {
		for _, s := range sp.sessions {
			s.withdraw()
		}
	}
	sp.want = want
	for _, p := range want.Peers {
		if s := sp.sessions[p.Name]; s != nil {
			s.sync()
			continue
		}
		ctx, stop := context.WithCancel(context.Background())
		s := &refSession{bug: sp.bug, sp: sp, peer: p, stop: stop, done: make(chan struct{})}
		s.enter(plugins.StateIdle)
		s.state.Name = p.Name
		sp.sessions[p.Name] = s
		go s.run(ctx)
	}
}

// withdraw tells the peer that nothing is announced.
func (s *refSession) withdraw() {
	for p := range s.told {
		s.send(withdrawal(p))
	}
	clear(s.told)
}

// goodbye withdraws, then ends the session with a Cease.
func (s *refSession) goodbye() {
	defer s.stop() // which closes the connection
	if s.conn == nil {
		return
	}
	if s.bug != "ceases before it withdraws" {
		s.withdraw()
	}
	if s.bug != "goes without a Cease" {
		s.send(bgppeer.Cease(3, ""))
	}
	s.withdraw()
}

func (s *refSession) send(raw []byte) {
	s.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	s.conn.Write(raw) // an error shows when it is read from
}

// sync sends what the peer does not know yet.
func (s *refSession) sync() {
	if s.state.State != plugins.StateEstablished {
		return
	}
	wanted := map[netip.Prefix]plugins.Announcement{}
	s.unsent = ""
	for i, a := range s.sp.want.Announcements {
		if s.bug == "stops after 900" && i == 900 || s.sp.forgotten[a.Prefix] {
			continue
		}
		if len(a.Peers) > 0 && !slices.Contains(a.Peers, s.peer.Name) && s.bug != "tells all" {
			continue
		}
		if why := s.cannot(a); why != "" {
			s.unsent = fmt.Sprintf("%s is not sent: %s", a.Prefix, why)
			continue
		}
		wanted[a.Prefix] = a
	}
	for p := range s.told {
		if _, ok := wanted[p]; !ok {
			s.send(withdrawal(p))
			delete(s.told, p)
		}
	}
	for p, a := range wanted {
		old, ok := s.told[p]
		if ok && fmt.Sprint(old) == fmt.Sprint(a) && s.bug != "sends all again" {
			continue
		}
		if ok && s.bug == "withdraws before it changes" {
			s.send(withdrawal(p))
		}
		s.send(s.updateFor(a, s.hop(a)))
		if s.bug == "announces twice" {
			s.send(s.updateFor(a, s.hop(a)))
		}
		if s.bug == "announces the address on the host" && p == vip6wide {
			a.Prefix = netip.PrefixFrom(p.Addr().Next(), 128)
			s.send(s.updateFor(a, s.hop(a)))
		}
		s.told[p] = a
	}
}

// cannot says why an announcement can't go to this peer.
func (s *refSession) cannot(a plugins.Announcement) string {
	switch {
	case s.bug == "does not look at capabilities":
	case a.Prefix.Addr().Is6() && !s.offers.v6:
		return "the peer takes no IPv6"
	case a.Prefix.Addr().Is4() && !s.offers.v4:
		return "the peer takes no IPv4"
	case a.Prefix.Addr().Is4() && s.hop(a).Is6() && !s.offers.extended:
		return "the peer takes no IPv6 next hop"
	}
	return ""
}

func (s *refSession) hop(a plugins.Announcement) netip.Addr {
	own := s.conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr()
	switch {
	case s.bug == "gives a foreign next hop":
		return netip.MustParseAddr("fe80::1")
	case a.NextHop.IsValid() && s.bug != "is always the next hop":
		return a.NextHop
	case a.Prefix.Addr().Is6() && own.Is4():
		return bgpHost6
	}
	return own
}

// canonical puts want into the form that is compared.
func canonical(want plugins.Speaker, bug string) plugins.Speaker {
	want.Peers, want.Announcements = slices.Clone(want.Peers), slices.Clone(want.Announcements)
	for i := range want.Announcements {
		a := &want.Announcements[i]
		a.Prefix = a.Prefix.Masked()
		a.Communities, a.LargeCommunities = slices.Clone(a.Communities), slices.Clone(a.LargeCommunities)
		if bug == "minds the order" {
			continue
		}
		slices.Sort(a.Communities)
		slices.SortFunc(a.LargeCommunities, func(x, y plugins.LargeCommunity) int {
			return cmp.Or(cmp.Compare(x.Global, y.Global), cmp.Compare(x.Local1, y.Local1), cmp.Compare(x.Local2, y.Local2))
		})
		if bug != "sends doubles" {
			a.LargeCommunities = slices.Compact(a.LargeCommunities)
		}
	}
	slices.SortFunc(want.Peers, func(x, y plugins.Peer) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(want.Announcements, func(x, y plugins.Announcement) int { return x.Prefix.Compare(y.Prefix) })
	return want
}
