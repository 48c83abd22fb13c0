package reconcile

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/plugins"
)

// leave drains every VIP before the goodbye, if on_exit says so. hurry cuts it
// short; a speaker that tells the peers nothing does so too, after tellLimit.
func (l *Loop) leave(ctx context.Context, hurry <-chan struct{}) {
	cfg, _ := l.Config()
	if cfg.BGP.OnExit != config.OnExitDrain {
		return
	}
	l.Log.Info("draining every VIP before the stop", "drain_grace", cfg.BGP.DrainGrace)
	l.exit = &Drain{Since: time.Now(), Reason: "the daemon stops", leaving: true}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(l.pass(ctx, time.Now())))
		if l.silent() {
			return
		}
		select {
		case <-hurry:
			return
		case <-l.Host.Changed():
		case <-l.wakeup:
		case <-timer.C:
		}
	}
}

// LeaveTime is the longest that a stop takes if on_exit is "drain".
func LeaveTime(c *config.Config) time.Duration { return tellLimit + c.BGP.DrainGrace + stopTimeout }

// silent reports whether no route is wanted any more.
func (l *Loop) silent() bool {
	for _, share := range l.shares {
		if len(share.Announcements) > 0 {
			return false
		}
	}
	return true
}

// drains are those in force: people's, and on the way out one for all the rest.
func (l *Loop) drains(now time.Time) Drains {
	d := l.Drains.At(now)
	if d.All == nil {
		d.All = l.exit
	}
	return d
}

// stop says goodbye to the peers. Addresses stay on the host: traffic that is
// on its way is still served.
func (l *Loop) stop(ctx context.Context, hurry <-chan struct{}) (withdrew bool) {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	go func() {
		select {
		case <-hurry:
			cancel()
		case <-ctx.Done():
		}
	}()
	for _, s := range l.speakers() {
		s.abandon()
	}
	l.net.abandon()
	cfg, _ := l.Config()
	if cfg.BGP.OnExit == config.OnExitKeep {
		l.Log.Info("leaving the routes announced, as on_exit = \"keep\" says")
		return false
	}
	var goodbyes errgroup.Group
	for _, s := range l.speakers() {
		goodbyes.Go(func() error { return s.bgp.Apply(ctx, plugins.Speaker{}) })
	}
	if err := goodbyes.Wait(); err != nil {
		l.Log.Error("not every route could be withdrawn before the stop", "error", err)
		return false
	}
	for _, s := range l.speakers() {
		l.left(s)
	}
	l.Log.Info("withdrew every route", "vips", len(cfg.VIPs), "peers", len(cfg.BGP.Peers))
	return true
}
