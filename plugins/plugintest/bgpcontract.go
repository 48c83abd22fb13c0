package plugintest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

func caseBGPInfo(_ context.Context, r *bgpRig) error {
	i := r.b.Info()
	if again := r.b.Info(); fmt.Sprint(again) != fmt.Sprint(i) {
		return fmt.Errorf("its Info gave %+v, and then %+v", i, again)
	}
	var errs []error
	if i.Name == "" || i.Version == "" {
		errs = append(errs, fmt.Errorf("name %q and version %q shall not be empty", i.Name, i.Version))
	}
	if i.Kind != plugins.KindBGP {
		errs = append(errs, fmt.Errorf("kind is %q, want %q", i.Kind, plugins.KindBGP))
	}
	if i.API != plugins.APIVersion {
		errs = append(errs, fmt.Errorf("it speaks version %d of the contract, and this suite is for %d", i.API, plugins.APIVersion))
	}
	return errors.Join(errs...)
}

func caseBGPUnknownSetting(ctx context.Context, r *bgpRig) error {
	b, err := r.under.Open(r.net.host)
	if err != nil {
		return err
	}
	defer b.Close()
	const key = "no-such-setting"
	err = b.Configure(ctx, plugins.Config{Settings: map[string]any{key: true}, StateDir: r.stateDir})
	var ce *plugins.ConfigError
	if !errors.As(err, &ce) || ce.Key != key {
		return fmt.Errorf("its Configure with the key %q gave %v, want a *ConfigError with that key", key, err)
	}
	return nil
}

func caseBGPDetect(ctx context.Context, r *bgpRig) error {
	s, want, err := r.one(ctx, role(vip4, 1))
	if err != nil {
		return err
	}
	return r.quiet(ctx, s, want, func() error {
		d, err := r.b.Detect(ctx)
		if err != nil {
			return fmt.Errorf("its Detect: %w", err)
		}
		if d.Score < 0 || d.Score > 100 || d.Why == "" {
			return fmt.Errorf("its Detect gave score %d, why %q", d.Score, d.Why)
		}
		return nil
	})
}

// quiet expects f to send nothing, and to keep the session.
func (r *bgpRig) quiet(ctx context.Context, s *bgppeer.Peer, want plugins.Speaker, f func() error) error {
	return r.sent(ctx, s, want, f, func(updates []bgppeer.Update) error {
		if len(updates) > 0 {
			return fmt.Errorf("it sent %d UPDATEs, want none; the first: %+v", len(updates), updates[0])
		}
		return nil
	})
}

func casePlanTells(ctx context.Context, r *bgpRig) error {
	want := speakerOf([]plugins.Peer{r.peer(1)}, role(vip4, 1), role(vip6, 1))
	s, err := r.server(1)
	if err != nil {
		return err
	}
	if err := r.nothingToDo(ctx, "before any Apply", plugins.Speaker{}); err != nil {
		return err
	}
	if err := r.planNames(ctx, want, "rs1 "+bgpPeer6(1).String(), vip4.String(), vip6.String()); err != nil {
		return err
	}
	if n := len(s.Events()); n > 0 {
		return fmt.Errorf("its Plan alone led to %d events at the peer", n)
	}
	if err := r.settled(ctx, s, want); err != nil {
		return err
	}
	changed := speakerOf(want.Peers, role(vip4, 2), role(vip6, 1))
	return r.quiet(ctx, s, want, func() error {
		if err := r.planNames(ctx, changed, vip4.String()); err != nil {
			return err
		}
		return r.planNames(ctx, plugins.Speaker{}, "rs1 "+bgpPeer6(1).String())
	})
}

// planNames expects two plans alike, and in their steps one of each argument's words.
func (r *bgpRig) planNames(ctx context.Context, want plugins.Speaker, names ...string) error {
	first, err := r.plan(ctx, want)
	if err != nil {
		return err
	}
	second, err := r.plan(ctx, want)
	if err != nil {
		return err
	}
	if !slices.Equal(first.Steps, second.Steps) {
		return fmt.Errorf("two plans for the same: %s\nand: %s", steps(first), steps(second))
	}
	var text strings.Builder
	for _, s := range first.Steps {
		if s.Verb == "" || s.Object == "" {
			return fmt.Errorf("a step of its Plan without verb or object: %+v", s)
		}
		text.WriteString(s.Object + "\n" + s.Diff + "\n")
	}
	for _, name := range names {
		if !slices.ContainsFunc(strings.Fields(name), func(w string) bool { return strings.Contains(text.String(), w) }) {
			return fmt.Errorf("its Plan does not name %s: %s", name, steps(first))
		}
	}
	return nil
}

func caseApplySettles(ctx context.Context, r *bgpRig) error {
	s, want, err := r.one(ctx, role(vip4, 1), role(vip6, 2), role(vip6host, 1))
	if err != nil {
		return err
	}
	if err := r.nothingToDo(ctx, "after Apply", want); err != nil {
		return err
	}
	state, err := r.tells(ctx, "rs1", "no error", func(s plugins.PeerState) bool { return s.LastError == "" })
	if err != nil {
		return err
	}
	up, err := r.event(ctx, s, "the session", isA(bgppeer.Established))
	if err != nil {
		return err
	}
	if d := state.Since.Sub(up.Time); d.Abs() > r.under.Patience {
		return fmt.Errorf("the session came up at %s, its Observe says %s", up.Time, state.Since)
	}
	return nil
}

func caseSameAgain(ctx context.Context, r *bgpRig) error {
	s, want, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	before, err := r.observe(ctx)
	if err != nil {
		return err
	}
	err = r.quiet(ctx, s, want, func() error {
		for range 3 {
			if err := r.apply(ctx, want); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	after, err := r.observe(ctx)
	if err == nil && !after["rs1"].Since.Equal(before["rs1"].Since) {
		// A backend that computes it from an uptime in whole seconds may be off by that.
		if d := after["rs1"].Since.Sub(before["rs1"].Since).Abs(); d > time.Second {
			err = fmt.Errorf("the session is the same, and its Observe moved its beginning by %s", d)
		}
	}
	return err
}

func caseAnyOrder(ctx context.Context, r *bgpRig) error {
	second, err := r.server(2)
	if err != nil {
		return err
	}
	s, err := r.server(1)
	if err != nil {
		return err
	}
	both := role(vip4, 1)
	both.Communities = append(both.Communities, serverASN<<16|7)
	want := speakerOf([]plugins.Peer{r.peer(1), r.peer(2)}, both, role(vip6, 1))
	if err := r.settled(ctx, s, want); err != nil {
		return err
	}
	if _, err := r.holds(ctx, second, vip4, vip6); err != nil {
		return err
	}
	both.Communities = []plugins.Community{serverASN<<16 | 7, serverASN<<16 | 1}
	other := speakerOf([]plugins.Peer{r.peer(2), r.peer(1)}, role(vip6, 1), both)
	if err := r.nothingToDo(ctx, "in another order", other); err != nil {
		return err
	}
	return r.quiet(ctx, s, other, func() error { return r.apply(ctx, other) })
}

func caseObserve(ctx context.Context, r *bgpRig) error {
	states, err := r.observe(ctx)
	if err != nil {
		return err
	}
	if len(states) > 0 {
		return fmt.Errorf("before any Apply its Observe gave %+v", states)
	}
	s, err := r.server(1)
	if err != nil {
		return err
	}
	want := speakerOf([]plugins.Peer{r.peer(1), r.peer(2)}, role(vip6, 1)) // nobody listens at the second
	states4271 := []plugins.SessionState{plugins.StateIdle, plugins.StateConnect, plugins.StateActive,
		plugins.StateOpenSent, plugins.StateOpenConfirm, plugins.StateEstablished}
	if err := r.apply(ctx, want); err != nil {
		return err
	}
	for up := false; !up; up = s.Table()[vip6].NextHop.IsValid() {
		states, err := r.observe(ctx)
		if err != nil {
			return err
		}
		if len(states) != 2 {
			return fmt.Errorf("for two peers its Observe gave %+v", states)
		}
		for name, s := range states {
			switch {
			case !slices.Contains(states4271, s.State):
				return fmt.Errorf("the state of %s is %q, which is no word of RFC 4271", name, s.State)
			case s.State != plugins.StateEstablished && len(s.Announced) > 0:
				return fmt.Errorf("%s is not established and was told [%s]", name, words(s.Announced))
			case s.Since.IsZero() || s.Since.After(time.Now().Add(time.Second)):
				return fmt.Errorf("%s is %s since %s", name, s.State, s.Since)
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("no session came up: %w", ctx.Err())
		}
	}
	return r.told(ctx, "rs1", vip6)
}
