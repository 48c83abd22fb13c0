package frr

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// clock remembers since when each session has been in its state: FRR tells
// that only of those that are up.
type clock map[netip.Addr]plugins.PeerState

// since gives the time of the change to s, which is now if it is news.
func (c clock) since(addr netip.Addr, s plugins.SessionState, at time.Time) time.Time {
	old := c[addr]
	// FRR counts whole seconds, so the start of a session may seem to move by one.
	if old.State == s && (s != plugins.StateEstablished || at.Sub(old.Since).Abs() <= 2*time.Second) {
		return old.Since
	}
	c[addr] = plugins.PeerState{State: s, Since: at}
	return at
}

// Observe asks bgpd for the sessions and for what each peer was told. While
// bgpd is down there is no session, and no peer holds a route of ours.
func (b *Backend) Observe(ctx context.Context) (plugins.SpeakerState, error) {
	var out plugins.SpeakerState
	if err := ctx.Err(); err != nil {
		return out, err
	}
	held := b.held.Load()
	if held == nil || len(held.peers) == 0 {
		return out, nil
	}
	d, err := b.dial(ctx, bgpdName)
	if err != nil && !errors.Is(err, errDown) {
		return out, err
	}
	if err == nil {
		defer d.close()
	}
	for _, p := range held.peers {
		s := plugins.PeerState{Name: p.Name, State: plugins.StateIdle, LastError: "bgpd does not run"}
		if d != nil {
			if s, err = b.look(ctx, d, p, held); err != nil {
				return plugins.SpeakerState{}, fmt.Errorf("%w (%w)", err, plugins.ErrUnavailable)
			}
		} else {
			s.Since = b.clock.since(p.Addr, s.State, time.Now())
			s.ErrorAt = s.Since
		}
		out.Peers = append(out.Peers, s)
	}
	return out, nil
}

// look tells the state of one session.
func (b *Backend) look(ctx context.Context, d *daemon, p plugins.Peer, held *speaker) (plugins.PeerState, error) {
	now := time.Now()
	s := plugins.PeerState{Name: p.Name, State: plugins.StateIdle}
	n, err := d.neighbor(ctx, p.Addr)
	if err != nil {
		return s, err
	}
	var resetAt time.Time
	if n != nil && n.ResetMsec > 0 {
		resetAt = now.Add(-time.Duration(n.ResetMsec) * time.Millisecond).Truncate(time.Second)
	}
	if n == nil {
		s.Since = b.clock.since(p.Addr, s.State, now)
		s.LastError, s.ErrorAt = "FRR has no such neighbor any more", s.Since
		return s, nil
	}
	s.State = n.state()
	if s.State != plugins.StateEstablished {
		s.Since = b.clock.since(p.Addr, s.State, now)
		s.LastError, s.ErrorAt = n.why(p, held.asn), s.Since
		if !resetAt.IsZero() {
			s.ErrorAt = resetAt
		}
		return s, nil
	}
	s.Since = b.clock.since(p.Addr, s.State, n.since(now))
	for _, f := range n.Families {
		s.Received += f.Accepted
	}
	for _, f := range families {
		told, err := d.advertised(ctx, f, p.Addr)
		if err != nil {
			return s, err
		}
		s.Announced = append(s.Announced, told...)
	}
	slices.SortFunc(s.Announced, netip.Prefix.Compare)
	if s.LastError, err = d.unsent(ctx, n, p, held, s.Announced); s.LastError != "" {
		s.ErrorAt = s.Since
	} else if s.LastError = n.ended(); s.LastError != "" {
		s.ErrorAt = resetAt
	}
	return s, err
}

// unsent says what an established session does not carry although it should, and why.
func (d *daemon) unsent(ctx context.Context, n *neighbor, p plugins.Peer, held *speaker, announced []netip.Prefix) (string, error) {
	for _, a := range held.routes {
		if !told(a, p.Name) || slices.Contains(announced, a.Prefix) {
			continue
		}
		if f := family(a.Prefix); !n.carries(f) {
			return fmt.Sprintf("%s is not sent: the peer did not negotiate %s", a.Prefix, familyWords[f]), nil
		}
		inRIB, err := d.valid(ctx, a.Prefix)
		if err != nil {
			return "", err
		}
		if !inRIB {
			return fmt.Sprintf("%s is not sent: FRR has no route for exactly that prefix; look at `show %s route %s` in vtysh, and whether zebra and staticd run",
				a.Prefix, strings.Fields(static(a.Prefix))[0], a.Prefix), nil
		}
	}
	return "", nil
}

// settle waits until bgpd has sent what was withdrawn to each established peer
// of ours, and not for long.
func (b *Backend) settle(ctx context.Context, j job) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	d, err := b.dial(ctx, bgpdName)
	if err != nil {
		return // no session, nothing to wait for
	}
	defer d.close()
	for {
		if sent, err := d.withdrawn(ctx, j); sent || err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(settlePoll):
		}
	}
}

// withdrawn tells whether no peer holds a route that the job takes back.
func (d *daemon) withdrawn(ctx context.Context, j job) (bool, error) {
	for addr := range j.have.peers {
		n, err := d.neighbor(ctx, addr)
		if err != nil {
			return false, err
		}
		if n == nil || n.state() != plugins.StateEstablished {
			continue
		}
		if n.Messages.Queued > 0 {
			return false, nil
		}
		for _, f := range families {
			told, err := d.advertised(ctx, f, addr)
			if err != nil {
				return false, err
			}
			for _, x := range told {
				if _, keep := j.target.networks[x]; !keep {
					return false, nil
				}
			}
		}
	}
	return true, nil
}
