package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// The passwords of the cases; no text of the backend may contain one.
const (
	password      = "plugintest-Kq8-right"
	wrongPassword = "plugintest-Kq8-wrong"
)

// keyed has an IPv6 route server ask for the password.
func keyed(c *bgppeer.Config) {
	c.MD5 = map[netip.Addr]string{bgpHost6: password, bgpHostOther: password}
}

func withPassword(key string) func(*plugins.Peer) {
	return func(p *plugins.Peer) { p.Password = key }
}

func caseMD5(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapMD5); err != nil {
		return err
	}
	s, err := r.server(1, keyed)
	if err != nil {
		return err
	}
	want := speakerOf([]plugins.Peer{r.peer(1, withPassword(password))}, role(vip6, 1))
	if err := r.settled(ctx, s, want); err != nil {
		return err
	}
	return r.nothingToDo(ctx, "after Apply", want)
}

func caseMD5Wrong(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapMD5); err != nil {
		return err
	}
	servers, _, err := r.startServers(3, keyed)
	if err != nil {
		return err
	}
	peers := []plugins.Peer{r.peer(1, withPassword(password)), r.peer(2, withPassword(wrongPassword)), r.peer(3)}
	began := time.Now()
	if err := r.settled(ctx, servers[0], speakerOf(peers, role(vip6, 1))); err != nil {
		return err
	}
	for _, name := range []string{"rs2", "rs3"} {
		_, err := r.tells(ctx, name, "not established, and why", func(s plugins.PeerState) bool {
			return s.State != plugins.StateEstablished && s.LastError != ""
		})
		if err != nil {
			return err
		}
		r.figure(name+" told of after", time.Since(began))
	}
	for _, s := range servers[1:] {
		if n := len(s.Events()); n > 0 {
			return fmt.Errorf("%s saw %d events without the right key", s.Addr().Addr(), n)
		}
	}
	return errors.Join(oneSession(servers[0]), r.told(ctx, "rs1", vip6))
}

func casePasswordSecret(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapMD5); err != nil {
		return err
	}
	s, err := r.server(1, keyed)
	if err != nil {
		return err
	}
	good := speakerOf([]plugins.Peer{r.peer(1, withPassword(password))}, role(vip6, 1))
	// What can't be done, in several ways: errors tell of peers.
	for _, spoil := range []func(*plugins.Peer){
		func(p *plugins.Peer) { p.Hold = time.Second },
		func(p *plugins.Peer) { p.TTL, p.TTLSecurity = 16, 1 },
		func(p *plugins.Peer) { p.Addr = netip.Addr{} },
		func(p *plugins.Peer) { p.LocalAddr = bgpPeer4 },
		func(p *plugins.Peer) { p.Password = password + string(slices.Repeat([]byte("x"), 80)) },
	} {
		bad := speakerOf([]plugins.Peer{r.peer(2, withPassword(password), spoil)}, role(vip6, 1))
		for name, err := range map[string]error{"Plan": second(r.plan(ctx, bad)), "Apply": r.apply(ctx, bad)} {
			if err != nil && errors.Is(err, errLeak) {
				return fmt.Errorf("of a peer that can't be: %s: %w", name, err)
			}
		}
	}
	if _, err := r.plan(ctx, good); err != nil {
		return err
	}
	if err := r.settled(ctx, s, good); err != nil {
		return err
	}
	other := speakerOf([]plugins.Peer{r.peer(1, withPassword(wrongPassword))}, role(vip6, 1))
	p, err := r.plan(ctx, other)
	if err == nil && len(p.Steps) == 0 {
		err = errors.New("its Plan of another password has no steps")
	}
	return err
}

func second[T any](_ T, err error) error { return err }

func caseTTLSecurity(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapTTLSecurity); err != nil {
		return err
	}
	s, err := r.server(1, func(c *bgppeer.Config) { c.TTL, c.MinTTL = 255, 255 })
	if err != nil {
		return err
	}
	far, err := r.server(2, func(c *bgppeer.Config) { c.TTL = 64 }) // as from somewhere else
	if err != nil {
		return err
	}
	gtsm := func(p *plugins.Peer) { p.TTL, p.TTLSecurity = 0, 1 }
	if err := r.settled(ctx, s, speakerOf([]plugins.Peer{r.peer(1, gtsm), r.peer(2, gtsm)}, role(vip6, 1))); err != nil {
		return err
	}
	_, err = r.tells(ctx, "rs2", "not established, and why", func(s plugins.PeerState) bool {
		return s.State != plugins.StateEstablished && s.LastError != ""
	})
	// Some look at the TTL only once OPEN and KEEPALIVE are out, which tells a stranger little.
	told := func(e bgppeer.Event) bool { return e.Update != nil }
	if n := count(far, told); n > 0 {
		err = errors.Join(err, errors.New("a peer whose packets have TTL 64 was sent an UPDATE"))
	}
	return err
}

func caseMultihop(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapMultihop); err != nil {
		return err
	}
	s, err := r.server(1, func(c *bgppeer.Config) { c.MinTTL = 16 })
	if err != nil {
		return err
	}
	return r.settled(ctx, s, speakerOf([]plugins.Peer{r.peer(1, func(p *plugins.Peer) { p.TTL = 16 })}, role(vip6, 1)))
}

func caseLocalAddr(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapLocalAddr); err != nil {
		return err
	}
	servers, _, err := r.startServers(2)
	if err != nil {
		return err
	}
	from := func(a netip.Addr) func(*plugins.Peer) { return func(p *plugins.Peer) { p.LocalAddr = a } }
	peers := []plugins.Peer{r.peer(1, from(bgpHost6)), r.peer(2, from(bgpHostOther))}
	if err := r.settled(ctx, servers[0], speakerOf(peers, role(vip6, 1))); err != nil {
		return err
	}
	if _, err := r.holds(ctx, servers[1], vip6); err != nil {
		return err
	}
	for i, s := range servers {
		if got := s.Events()[0].Remote.Addr(); got != peers[i].LocalAddr {
			return fmt.Errorf("the session with %s comes from %s, want %s", peers[i].Name, got, peers[i].LocalAddr)
		}
	}
	return nil
}
