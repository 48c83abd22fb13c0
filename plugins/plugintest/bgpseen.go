package plugintest

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// until polls until f gives nil, and gives its last error when patience ends.
func (r *bgpRig) until(ctx context.Context, what string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, r.under.Patience)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s: %w", r.under.Patience, what, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// holds waits until the route server's table is exactly these, and gives it.
func (r *bgpRig) holds(ctx context.Context, s *bgppeer.Peer, prefixes ...netip.Prefix) (map[netip.Prefix]bgppeer.Attributes, error) {
	var table map[netip.Prefix]bgppeer.Attributes
	err := r.until(ctx, fmt.Sprintf("%s to hold [%s]", s.Addr().Addr(), words(prefixes)), func() error {
		table = s.Table()
		if len(table) != len(prefixes) {
			return fmt.Errorf("it holds %d prefixes, want %d", len(table), len(prefixes))
		}
		for _, p := range prefixes {
			if _, ok := table[p]; !ok {
				return fmt.Errorf("it does not hold %s", p)
			}
		}
		return nil
	})
	return table, err
}

// event waits for an event of a route server.
func (r *bgpRig) event(ctx context.Context, s *bgppeer.Peer, what string, match func(bgppeer.Event) bool) (bgppeer.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, r.under.Patience)
	defer cancel()
	e, err := s.Wait(ctx, match)
	if err != nil {
		return e, fmt.Errorf("waited %s for %s at %s", r.under.Patience, what, s.Addr().Addr())
	}
	return e, nil
}

// tells waits until Observe has the peer in a state that f takes.
func (r *bgpRig) tells(ctx context.Context, name, what string, f func(plugins.PeerState) bool) (plugins.PeerState, error) {
	var seen plugins.PeerState
	err := r.until(ctx, fmt.Sprintf("Observe to tell of %s: %s", name, what), func() error {
		states, err := r.observe(ctx)
		if err != nil {
			return err
		}
		seen = states[name]
		if !f(seen) {
			return fmt.Errorf("it tells %+v", seen)
		}
		return nil
	})
	return seen, err
}

// told waits until Observe has the session established and told exactly these.
func (r *bgpRig) told(ctx context.Context, name string, prefixes ...netip.Prefix) error {
	want := slices.SortedFunc(slices.Values(prefixes), netip.Prefix.Compare)
	_, err := r.tells(ctx, name, "established, told ["+words(want)+"]", func(s plugins.PeerState) bool {
		got := slices.SortedFunc(slices.Values(s.Announced), netip.Prefix.Compare)
		return s.State == plugins.StateEstablished && slices.Equal(got, want)
	})
	return err
}

// settled applies want and waits until the first route server holds all of it
// and Observe says so; that is where most cases begin.
func (r *bgpRig) settled(ctx context.Context, s *bgppeer.Peer, want plugins.Speaker) error {
	if err := r.apply(ctx, want); err != nil {
		return err
	}
	var all []netip.Prefix
	for _, a := range want.Announcements {
		all = append(all, a.Prefix)
	}
	if _, err := r.holds(ctx, s, all...); err != nil {
		return err
	}
	return r.told(ctx, want.Peers[0].Name, all...)
}

// one starts the first route server and settles with it.
func (r *bgpRig) one(ctx context.Context, announcements ...plugins.Announcement) (*bgppeer.Peer, plugins.Speaker, error) {
	want := speakerOf([]plugins.Peer{r.peer(1)}, announcements...)
	s, err := r.server(1)
	if err != nil {
		return nil, want, err
	}
	return s, want, r.settled(ctx, s, want)
}

// sent expects f to send exactly the UPDATEs that check takes, in the session
// that is there. To see the end of what f sent, another prefix is announced.
func (r *bgpRig) sent(ctx context.Context, s *bgppeer.Peer, after plugins.Speaker, f func() error, check func([]bgppeer.Update) error) error {
	from, had := len(s.Events()), s.Table()
	if err := f(); err != nil {
		return err
	}
	after.Announcements = append(slices.Clone(after.Announcements), role(mark, 1))
	if err := r.apply(ctx, after); err != nil {
		return err
	}
	if _, err := r.event(ctx, s, mark.String(), func(e bgppeer.Event) bool { return announces(e, mark) }); err != nil {
		return err
	}
	var updates []bgppeer.Update
	for _, e := range s.Events()[from:] {
		if e.Kind == bgppeer.Established {
			continue // the peer's own KEEPALIVE may come after our first UPDATE
		}
		if e.Update == nil {
			return fmt.Errorf("the session did not stay: %s", e)
		}
		u := *e.Update
		// Routes with the same attributes may share a message.
		u.Announced = slices.DeleteFunc(slices.Clone(u.Announced), func(p netip.Prefix) bool {
			return p == mark || r.under.Repeats && reflect.DeepEqual(had[p], u.Attributes)
		})
		if len(u.Announced)+len(u.Withdrawn) > 0 {
			updates = append(updates, u)
		}
	}
	return check(updates)
}

// announces tells whether e is an UPDATE that announces p.
func announces(e bgppeer.Event, p netip.Prefix) bool {
	return e.Update != nil && slices.Contains(e.Update.Announced, p)
}

func withdraws(e bgppeer.Event, p netip.Prefix) bool {
	return e.Update != nil && slices.Contains(e.Update.Withdrawn, p)
}

func isA(k bgppeer.Kind) func(bgppeer.Event) bool {
	return func(e bgppeer.Event) bool { return e.Kind == k }
}

// count counts the events that match.
func count(s *bgppeer.Peer, match func(bgppeer.Event) bool) int {
	n := 0
	for _, e := range s.Events() {
		if match(e) {
			n++
		}
	}
	return n
}
