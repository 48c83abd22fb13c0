package plugintest

import (
	"context"
	"errors"
	"fmt"

	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// hostile is a case with a peer that says what it must not say, in its OPEN or
// once the session is up. Whatever becomes of that session, another one stays,
// and so does the backend.
func hostile(change func(*bgppeer.Config), raw func() []byte) func(context.Context, *bgpRig) error {
	return func(ctx context.Context, r *bgpRig) error {
		_, err := r.attack(ctx, change, raw)
		return err
	}
}

// attack has the second route server misbehave, and gives it back.
func (r *bgpRig) attack(ctx context.Context, change func(*bgppeer.Config), raw func() []byte) (*bgppeer.Peer, error) {
	if change == nil {
		change = func(*bgppeer.Config) {}
	}
	bad, err := r.server(2, change)
	if err != nil {
		return nil, err
	}
	good, want, err := r.one(ctx, role(vip4, 1))
	if err != nil {
		return nil, err
	}
	want.Peers = append(want.Peers, r.peer(2))
	if err := r.apply(ctx, want); err != nil {
		return nil, err
	}
	if raw != nil {
		if _, err := r.holds(ctx, bad, vip4); err != nil {
			return nil, err
		}
		bad.Send(raw())
		// What stays is only silence: the Hold Timer settles it at the latest.
		bad.Silence()
	}
	if _, err := r.event(ctx, bad, "the end of the session", isA(bgppeer.Closed)); err != nil {
		return nil, err
	}
	if err := r.apply(ctx, want); err != nil {
		return bad, fmt.Errorf("after that: %w", err)
	}
	want.Peers = want.Peers[:1]
	if err := r.apply(ctx, want); err != nil {
		return bad, fmt.Errorf("after that: %w", err)
	}
	if err := r.quiet(ctx, good, want, func() error { return nil }); err != nil {
		return bad, fmt.Errorf("at the other peer: %w", err)
	}
	return bad, errors.Join(oneSession(good), r.told(ctx, "rs1", vip4, mark))
}

// answered expects a NOTIFICATION as answer to an attack.
func (r *bgpRig) answered(bad *bgppeer.Peer, code, subcode uint8) error {
	for _, e := range bad.Events() {
		if e.Notification != nil {
			if e.Notification.Code != code || e.Notification.Subcode != subcode {
				return fmt.Errorf("it answered with NOTIFICATION %d/%d, want %d/%d", e.Notification.Code, e.Notification.Subcode, code, subcode)
			}
			return nil
		}
	}
	return fmt.Errorf("it ended the session without NOTIFICATION %d/%d", code, subcode)
}

func caseBadMarker(ctx context.Context, r *bgpRig) error {
	bad, err := r.attack(ctx, nil, bgppeer.BadMarker)
	if err != nil {
		return err
	}
	return r.answered(bad, 1, 1)
}

func caseShortLength(ctx context.Context, r *bgpRig) error {
	bad, err := r.attack(ctx, nil, func() []byte { return bgppeer.BadLength(18) })
	if err != nil {
		return err
	}
	return r.answered(bad, 1, 2)
}

func truncatedOpen(c *bgppeer.Config) { c.RawOpen = bgppeer.TruncatedOpen(*c) }

func caseHoldTime1(ctx context.Context, r *bgpRig) error {
	bad, err := r.attack(ctx, func(c *bgppeer.Config) { c.RawOpen = bgppeer.OpenWithHold(*c, 1) }, nil)
	if err != nil {
		return err
	}
	return r.answered(bad, 2, 6)
}
