package plugintest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

func caseEndedContext(ctx context.Context, r *netRig) error {
	if err := r.apply(ctx, r.vip(0)); err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	calls := map[string]func() error{
		"Plan":    func() error { _, err := r.b.Plan(ended, r.vips(1)); return err },
		"Apply":   func() error { return r.b.Apply(ended, r.vips(1)) },
		"Observe": func() error { _, err := r.b.Observe(ended); return err },
	}
	return r.unchanged(func() error {
		for name, call := range calls {
			if err := withinLimit(name, r.under.stretched(endTime), call); err == nil {
				return fmt.Errorf("%s gave no error", name)
			} else if errors.Is(err, errLate) {
				return err
			}
		}
		return nil
	})
}

var errLate = errors.New("does not return")

// within expects a call whose context has ended to return in time.
func within(name string, call func() error) error { return withinLimit(name, endTime, call) }

func withinLimit(name string, limit time.Duration, call func() error) error {
	began := time.Now()
	err := call()
	if took := time.Since(began); took > limit {
		return fmt.Errorf("%s: %w within %s of the end of its context: it took %s", name, errLate, limit, took.Round(time.Millisecond))
	}
	return err
}

// cuts is how often an Apply is cut off.
const cuts = 30

// caseCutOff ends the context of an Apply at points spread over what a whole
// one takes, and a bit beyond.
func caseCutOff(ctx context.Context, r *netRig) error {
	sets := [2][]plugins.VIP{r.vips(0, 1, 2), r.vips(1, 3, 4)}
	began := time.Now()
	for _, want := range sets {
		if err := r.apply(ctx, want...); err != nil {
			return err
		}
	}
	whole := time.Since(began) / 2
	random := rand.New(rand.NewPCG(1, 2))
	for n := range cuts {
		want, other := sets[n%2], sets[(n+1)%2]
		after := time.Duration(random.Int64N(int64(whole*5/4) + 1))
		if err := r.cutOff(ctx, after, want); err != nil {
			return fmt.Errorf("cut off after %s: %w", after, err)
		}
		// A new process knows no more than what is on the host and in files.
		if n%3 == 0 {
			if err := r.reopen(ctx); err != nil {
				return err
			}
		}
		if n%5 == 0 { // not the same call again
			want, other = other, want
		}
		if err := r.mended(ctx, want, other); err != nil {
			return fmt.Errorf("after an Apply that was cut off after %s: %w", after, err)
		}
	}
	return nil
}

// cutOff is an Apply that has only so much time.
func (r *netRig) cutOff(ctx context.Context, after time.Duration, want []plugins.VIP) error {
	short, cancel := context.WithTimeout(ctx, after)
	defer cancel()
	began := time.Now()
	err := r.b.Apply(short, want)
	if late, limit := time.Since(began)-after, r.under.stretched(endTime); late > limit {
		return fmt.Errorf("its Apply %w within %s: it took %s more", errLate, limit, late.Round(time.Millisecond))
	}
	if err == nil { // it was done in time, and has to be true
		return hosted(want)
	}
	return nil
}

// mended expects the next Apply to put everything right.
func (r *netRig) mended(ctx context.Context, want, other []plugins.VIP) error {
	if err := r.apply(ctx, want...); err != nil {
		return err
	}
	wanted := map[plugins.VIP]bool{}
	for _, v := range want {
		wanted[v] = true
	}
	var not []plugins.VIP
	for _, v := range other {
		if !wanted[v] {
			not = append(not, v)
		}
	}
	if err := hosted(want, not...); err != nil {
		return err
	}
	return r.nothingToDo(ctx, "after the next Apply", want...)
}

func caseWatch(ctx context.Context, r *netRig) error {
	v := r.vip(0)
	if err := r.apply(ctx, v); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := make(chan plugins.Change, 64)
	ended := make(chan error, 1)
	b := r.b
	go r.under.Inside(func() {
		ended <- b.Watch(ctx, func(c plugins.Change) {
			select {
			case changes <- c:
			default: // one is enough
			}
		})
	})
	// It may not listen yet, so this is repeated until it tells.
	if err := r.told(ctx, v, changes, ended); err != nil {
		return err
	}
	cancel()
	return withinLimit("Watch", r.under.stretched(endTime), func() error {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("its Watch gave %w at the end of its context, want nil", err)
			}
			return nil
		case <-time.After(2 * r.under.stretched(endTime)):
			return errors.New("its Watch has not returned")
		}
	})
}

// told takes v away and has it put back, until Watch tells.
func (r *netRig) told(ctx context.Context, v plugins.VIP, changes <-chan plugins.Change, ended <-chan error) error {
	deadline := time.After(r.under.stretched(callTime))
	for {
		if err := somebodyDeletes(v); err != nil {
			return err
		}
		select {
		case c := <-changes:
			if c.Why == "" {
				return fmt.Errorf("its Watch told %+v, without a reason", c)
			}
			return r.apply(ctx, v)
		case err := <-ended:
			return fmt.Errorf("its Watch returned %v before its context ended", err)
		case <-deadline:
			return fmt.Errorf("its Watch never told that %s was taken away", v.Addr)
		case <-time.After(50 * time.Millisecond):
		}
		if err := r.apply(ctx, v); err != nil {
			return err
		}
	}
}
