package plugintest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

func caseDaemonAbsent(ctx context.Context, r *bgpRig) error {
	if err := r.needDaemon(); err != nil {
		return err
	}
	if err := r.daemon.Kill(); err != nil {
		return err
	}
	want := speakerOf([]plugins.Peer{r.peer(1)}, role(vip4, 1))
	if err := r.hold(want); err != nil {
		return err
	}
	if err := r.unavailable(ctx, want); err != nil {
		return err
	}
	if err := r.reopen(ctx); err != nil { // a start of core while the daemon is down
		return fmt.Errorf("without the daemon: %w", err)
	}
	if err := r.unavailable(ctx, want); err != nil {
		return err
	}
	if err := r.daemon.Start(ctx); err != nil {
		return err
	}
	s, err := r.server(1)
	if err != nil {
		return err
	}
	return r.settled(ctx, s, want)
}

// unavailable expects Apply to say that the daemon is down.
func (r *bgpRig) unavailable(ctx context.Context, want plugins.Speaker) error {
	return limited(ctx, "Apply without the daemon", func(ctx context.Context) error {
		err := r.secretless(r.b.Apply(ctx, want))
		if !errors.Is(err, plugins.ErrUnavailable) {
			return fmt.Errorf("it gave %v, want ErrUnavailable", err)
		}
		if len(err.Error()) <= len(plugins.ErrUnavailable.Error())+5 {
			return fmt.Errorf("it says %q and not what is down", err)
		}
		return nil
	})
}

func caseDaemonRestarted(ctx context.Context, r *bgpRig) error {
	if err := r.needDaemon(); err != nil {
		return err
	}
	w := r.watch(ctx)
	defer w.cancel()
	s, want, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	for len(w.changes) > 0 {
		<-w.changes
	}
	if err := r.daemon.Kill(); err != nil {
		return err
	}
	if _, err := r.event(ctx, s, "the end of the session", isA(bgppeer.Closed)); err != nil {
		return err
	}
	if _, err := r.next(ctx, w, "the daemon's end", func(plugins.Change) bool { return true }); err != nil {
		return err
	}
	if err := r.daemon.Start(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := r.settled(ctx, s, want); err != nil {
		return err
	}
	r.figure("all back after", time.Since(began))
	if err := r.nothingToDo(ctx, "after the daemon's restart and an Apply", want); err != nil {
		return err
	}
	return w.end()
}

func caseDaemonForeign(ctx context.Context, r *bgpRig) error {
	if err := r.needDaemon(); err != nil {
		return err
	}
	before, err := r.daemon.Config(ctx)
	if err != nil {
		return err
	}
	for range 2 {
		if _, _, err := r.one(ctx, role(vip4, 1), role(vip6, 1)); err != nil {
			return err
		}
		if err := r.apply(ctx, plugins.Speaker{}); err != nil {
			return err
		}
		after, err := r.daemon.Config(ctx)
		if err != nil {
			return err
		}
		if after != before {
			return fmt.Errorf("the operator's configuration was:\n%s\nand is:\n%s", before, after)
		}
		r.closeServers()
	}
	return nil
}

func caseSerialise(ctx context.Context, r *bgpRig) error {
	if err := r.needDaemon(); err != nil {
		return err
	}
	s, first, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	second := speakerOf(first.Peers, role(vip4, 2), role(vip4b, 1))
	if err := r.hold(second); err != nil {
		return err
	}
	for range 5 {
		other := make(chan error, 1)
		b := r.b
		go func() {
			other <- limited(ctx, "Apply beside another one", func(ctx context.Context) error { return b.Apply(ctx, second) })
		}()
		err := r.apply(ctx, first)
		if err := errors.Join(err, <-other); err != nil {
			return err
		}
		one, err := r.plan(ctx, first)
		if err != nil {
			return err
		}
		two, err := r.plan(ctx, second)
		if err != nil {
			return err
		}
		if len(one.Steps) > 0 && len(two.Steps) > 0 {
			return fmt.Errorf("after two Applies at once it holds neither: %s; %s", steps(one), steps(two))
		}
	}
	return r.settled(ctx, s, first)
}
