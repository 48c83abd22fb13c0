package plugintest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stentor-net/stentor/plugins"
)

// netCases are the promises of plugins.NetBackend.
var netCases = []netCase{
	{"info", "Info names the backend, its kind, and the contract's version, the same each time", caseInfo},
	{"unknown-setting", "an unknown key in the backend's table is a *ConfigError that names it", caseUnknownSetting},
	{"detect", "Detect gives a score of 0 to 100 with a reason, and changes nothing", caseDetect},
	{"plan-is-pure", "Plan gives the same steps twice, and changes nothing", casePlan},
	{"apply-holds", "after Apply the host has exactly the addresses, and Observe says so", caseApply},
	{"apply-twice", "a second Apply of the same want changes nothing", caseApplyTwice},
	{"order", "the order of want says nothing", caseOrder},
	{"change", "Apply of another want removes what is not in it, and leaves alone what is", caseChange},
	{"restart", "a new process finds what the last one did", caseRestart},
	{"close", "Close takes nothing off the host", caseClose},
	{"adopt", "an address that was there before is used, or refused by ErrForeign, and never removed", caseAdopt},
	{"lost", "an address that somebody else took away is missed, and put back", caseLost},
	{"all-or-nothing", "an Apply that fails leaves the host as it was", caseAllOrNothing},
	{"many", "a hundred addresses are held and let go like one", caseMany},
	{"ended-context", "a call whose context has ended returns at once with an error, and changes nothing", caseEndedContext},
	{"cut-off", "an Apply cut off anywhere returns soon, and the next one mends what it left", caseCutOff},
	{"watch", "Watch tells of an address that somebody else took away, and ends with nil when its context does", caseWatch},
}

func caseInfo(_ context.Context, r *netRig) error {
	i := r.b.Info()
	if again := r.b.Info(); fmt.Sprint(again) != fmt.Sprint(i) {
		return fmt.Errorf("its Info gave %+v, and then %+v", i, again)
	}
	var errs []error
	if i.Name == "" || i.Version == "" {
		errs = append(errs, fmt.Errorf("name %q and version %q shall not be empty", i.Name, i.Version))
	}
	if i.Kind != plugins.KindNet {
		errs = append(errs, fmt.Errorf("kind is %q, want %q", i.Kind, plugins.KindNet))
	}
	if i.API != plugins.APIVersion {
		errs = append(errs, fmt.Errorf("it speaks version %d of the contract, and this suite is for %d", i.API, plugins.APIVersion))
	}
	return errors.Join(errs...)
}

func caseUnknownSetting(ctx context.Context, r *netRig) error {
	b, err := r.under.Open()
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

func caseDetect(ctx context.Context, r *netRig) error {
	return r.unchanged(func() error {
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

func casePlan(ctx context.Context, r *netRig) error {
	want := r.vips(0, 1)
	err := r.unchanged(func() error {
		first, err := r.plan(ctx, want...)
		if err != nil {
			return err
		}
		if len(first.Steps) == 0 {
			return fmt.Errorf("its Plan(%s) has no steps, though the host has none of them", text(want))
		}
		for _, s := range first.Steps {
			if s.Verb == "" || s.Object == "" {
				return fmt.Errorf("a step without verb or object: %+v", s)
			}
		}
		second, err := r.plan(ctx, want...)
		if err == nil && !slices.Equal(first.Steps, second.Steps) {
			err = fmt.Errorf("two plans for the same: %s\nand: %s", steps(first), steps(second))
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := r.nothingToDo(ctx, "before any Apply"); err != nil {
		return err
	}
	if err := r.apply(ctx, want...); err != nil {
		return err
	}
	return r.unchanged(func() error {
		p, err := r.plan(ctx)
		if err == nil && len(p.Steps) == 0 {
			err = errors.New("its Plan(nothing) has no steps, though the host has our addresses")
		}
		return err
	})
}

func caseApply(ctx context.Context, r *netRig) error {
	want := r.vips(0, 1)
	if err := r.apply(ctx, want...); err != nil {
		return err
	}
	if err := hosted(want); err != nil {
		return err
	}
	states, err := r.observe(ctx)
	if err != nil {
		return err
	}
	if len(states) != len(want) {
		return fmt.Errorf("its Observe gave %d states, want %d: %+v", len(states), len(want), states)
	}
	for _, v := range want {
		s, ok := states[v.Name]
		if !ok || s.Addr != v.Addr || !s.OnHost || s.Adopted || s.Drift != "" {
			return fmt.Errorf("its Observe after Apply gave %+v for %+v", s, v)
		}
	}
	return r.nothingToDo(ctx, "after Apply", want...)
}

func caseApplyTwice(ctx context.Context, r *netRig) error {
	want := r.vips(0, 1)
	if err := r.apply(ctx, want...); err != nil {
		return err
	}
	before, err := look(r.dirs())
	if err != nil {
		return err
	}
	if err := r.unchanged(func() error { return r.apply(ctx, want...) }); err != nil {
		return err
	}
	after, err := look(r.dirs())
	if err != nil {
		return err
	}
	if path := before.rewritten(after); path != "" {
		return fmt.Errorf("%s was written again, with what it held already", path)
	}
	return nil
}

func caseOrder(ctx context.Context, r *netRig) error {
	want := r.vips(0, 1, 2)
	if err := r.apply(ctx, want...); err != nil {
		return err
	}
	slices.Reverse(want)
	if err := r.nothingToDo(ctx, "in the other order", want...); err != nil {
		return err
	}
	return r.unchanged(func() error { return r.apply(ctx, want...) })
}

func caseChange(ctx context.Context, r *netRig) error {
	if err := r.apply(ctx, r.vips(0, 1, 2)...); err != nil {
		return err
	}
	next := r.vips(1, 2, 3)
	if err := r.apply(ctx, next...); err != nil {
		return err
	}
	if err := hosted(next, r.vip(0)); err != nil {
		return err
	}
	return r.nothingToDo(ctx, "after the change", next...)
}

func caseRestart(ctx context.Context, r *netRig) error {
	if err := r.apply(ctx, r.vips(0, 1)...); err != nil {
		return err
	}
	if err := r.reopen(ctx); err != nil {
		return err
	}
	if err := r.nothingToDo(ctx, "in a new process", r.vips(0, 1)...); err != nil {
		return err
	}
	// What it has to remove now is known from the last one alone.
	if err := r.apply(ctx, r.vip(1)); err != nil {
		return err
	}
	return hosted(r.vips(1), r.vip(0))
}

func caseClose(ctx context.Context, r *netRig) error {
	if err := r.apply(ctx, r.vips(0, 1)...); err != nil {
		return err
	}
	err := r.unchanged(r.close)
	return errors.Join(err, r.reopen(ctx))
}

func caseAdopt(ctx context.Context, r *netRig) error {
	theirs, ours := r.vip(0), r.vip(1)
	if err := somebodyAdds(theirs); err != nil {
		return err
	}
	err := func() error {
		err := r.apply(ctx, theirs, ours)
		if errors.Is(err, plugins.ErrForeign) {
			return hosted([]plugins.VIP{theirs}, ours)
		}
		if err != nil {
			return err
		}
		if err := hosted([]plugins.VIP{theirs, ours}); err != nil {
			return err
		}
		states, err := r.observe(ctx)
		if err != nil {
			return err
		}
		if !states[theirs.Name].Adopted || states[ours.Name].Adopted {
			return fmt.Errorf("%s was there before and %s was not, and Observe gave %+v", theirs.Addr, ours.Addr, states)
		}
		if err := r.nothingToDo(ctx, "after adopting", theirs, ours); err != nil {
			return err
		}
		if err := r.reopen(ctx); err != nil {
			return err
		}
		if err := r.apply(ctx); err != nil {
			return err
		}
		return hosted([]plugins.VIP{theirs}, ours)
	}()
	return errors.Join(err, somebodyDeletes(theirs))
}

func caseLost(ctx context.Context, r *netRig) error {
	want := r.vips(0, 1)
	if err := r.apply(ctx, want...); err != nil {
		return err
	}
	for _, v := range want {
		if err := somebodyDeletes(v); err != nil {
			return err
		}
		states, err := r.observe(ctx)
		if err != nil {
			return err
		}
		if s := states[v.Name]; s.OnHost || s.Drift == "" {
			return fmt.Errorf("%s is gone, and Observe gave %+v", v.Addr, s)
		}
		p, err := r.plan(ctx, want...)
		if err != nil {
			return err
		}
		if len(p.Steps) == 0 {
			return fmt.Errorf("%s is gone, and Plan has no steps", v.Addr)
		}
		if err := r.apply(ctx, want...); err != nil {
			return err
		}
		if err := hosted(want); err != nil {
			return err
		}
	}
	// Gone before it is given up: nothing to remove, and no reason to fail.
	return somebodyDeletes(want[0])
}

func caseAllOrNothing(ctx context.Context, r *netRig) error {
	if err := r.apply(ctx, r.vip(0)); err != nil {
		return err
	}
	impossible := r.vip(3)
	impossible.Link = "no-such-link"
	return r.unchanged(func() error {
		if err := r.apply(ctx, r.vip(1), impossible, r.vip(2)); err == nil {
			return fmt.Errorf("its Apply of an address for link %s, which does not exist, gave no error", impossible.Link)
		}
		return nil
	})
}

func caseMany(ctx context.Context, r *netRig) error {
	var want []plugins.VIP
	for n := range 100 {
		want = append(want, r.vip(n))
	}
	if err := r.apply(ctx, want...); err != nil {
		return err
	}
	if err := hosted(want); err != nil {
		return err
	}
	return r.nothingToDo(ctx, "after Apply", want...)
}

// dirs are all folders of the backend's.
func (r *netRig) dirs() []string { return append([]string{r.stateDir}, r.under.Dirs...) }

// unchanged expects f to leave host and files as they are.
func (r *netRig) unchanged(f func() error) error {
	before, err := look(r.under.Dirs)
	if err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	after, err := look(r.under.Dirs)
	if err != nil {
		return err
	}
	if d := before.differs(after); d != "" {
		return fmt.Errorf("the host changed: %s", d)
	}
	return nil
}
