package plugintest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

func caseBGPEndedContext(ctx context.Context, r *bgpRig) error {
	s, want, err := r.one(ctx, role(vip4, 1))
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	calls := map[string]func() error{
		"Plan":    func() error { _, err := r.b.Plan(ended, plugins.Speaker{}); return err },
		"Apply":   func() error { return r.b.Apply(ended, plugins.Speaker{}) },
		"Observe": func() error { _, err := r.b.Observe(ended); return err },
	}
	return r.quiet(ctx, s, want, func() error {
		for name, call := range calls {
			if err := within(name, call); err == nil {
				return fmt.Errorf("%s gave no error", name)
			} else if errors.Is(err, errLate) {
				return err
			}
		}
		return nil
	})
}

// bgpCuts is how often an Apply is cut off.
const bgpCuts = 12

// caseBGPCutOff ends the context of an Apply at points spread over what a whole
// one takes, and a bit beyond.
func caseBGPCutOff(ctx context.Context, r *bgpRig) error {
	s, first, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	second := speakerOf([]plugins.Peer{r.peer(1), r.peer(2)}, role(vip6, 2), role(vip4b, 1), role(vip6wide, 1))
	began := time.Now()
	for _, want := range []plugins.Speaker{second, first} {
		if err := r.apply(ctx, want); err != nil {
			return err
		}
	}
	whole := time.Since(began) / 2
	random := rand.New(rand.NewPCG(1, 2))
	for n := range bgpCuts {
		after := time.Duration(random.Int64N(int64(whole*5/4) + 1))
		cut, want := second, first
		if n%4 == 1 { // from nothing, and to nothing
			cut = plugins.Speaker{}
		} else if n%4 == 3 {
			want = second
		}
		if err := r.hold(cut); err != nil {
			return err
		}
		short, cancel := context.WithTimeout(ctx, after)
		began := time.Now()
		_ = r.b.Apply(short, cut) // done or not, both are fine
		cancel()
		if late := time.Since(began) - after; late > endTime {
			return fmt.Errorf("its Apply %w within %s: it took %s more", errLate, endTime, late.Round(time.Millisecond))
		}
		when := fmt.Sprintf("after an Apply that was cut off after %s", after)
		if err := r.settled(ctx, s, want); err != nil {
			return fmt.Errorf("%s: %w", when, err)
		}
		if err := r.nothingToDo(ctx, when, want); err != nil {
			return err
		}
	}
	return nil
}
