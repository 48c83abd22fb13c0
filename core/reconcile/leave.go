package reconcile

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/policy"
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
	l.passUntil(ctx, hurry, time.Time{}, l.silent)
}

// reclaimLimit bounds the wait for sessions at a stop.
const reclaimLimit = 10 * time.Second

// reclaim waits at a stop for the sessions of peers that still keep the routes
// of the run before this one, since they help a restart (RFC 4724 §4.2): there
// is no other way to have them withdraw these before the restart time is over.
func (l *Loop) reclaim(ctx context.Context, hurry <-chan struct{}) {
	if l.Past == nil {
		return
	}
	cfg, _ := l.Config()
	restart := time.Duration(0)
	for _, p := range cfg.BGP.Peers {
		restart = max(restart, p.GracefulRestart)
	}
	end := l.board.started.Add(min(restart, reclaimLimit))
	l.passUntil(ctx, hurry, end, func() bool { return !time.Now().Before(end) || l.established(cfg) })
}

// established reports whether each peer that helps restarts has a session.
func (l *Loop) established(cfg *config.Config) bool {
	up := map[string]bool{}
	for _, p := range l.sessions().Peers {
		up[p.Name] = p.State == plugins.StateEstablished
	}
	return !slices.ContainsFunc(cfg.BGP.Peers, func(p plugins.Peer) bool { return p.GracefulRestart > 0 && !up[p.Name] })
}

// passUntil goes on with passes until done, looking at the latest at a moment
// that is not zero. hurry cuts it short.
func (l *Loop) passUntil(ctx context.Context, hurry <-chan struct{}, at time.Time, done func() bool) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(earlier(l.pass(ctx, time.Now()), at)))
		if done() {
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

// Past is what one run knew of each VIP's health, by name. The run that takes
// its routes over judges by it until its own checks have decided.
type Past map[string]policy.Memory

// keeps tells why the routes stay announced without this process; empty if
// they don't.
func (l *Loop) keeps(ctx context.Context) string {
	cfg, _ := l.Config()
	switch {
	case cfg.BGP.OnExit == config.OnExitKeep:
		return `on_exit = "keep"`
	case cfg.BGP.OnRestart == config.OnRestartKeep && l.Restarting != nil && l.Restarting(ctx):
		return `a restart, and on_restart = "keep"`
	}
	return ""
}

// handOver leaves what is known of each VIP to the next run.
func (l *Loop) handOver() {
	if l.Kept == nil {
		return
	}
	past := Past{}
	for name, m := range l.memory {
		past[name] = m.policy
	}
	l.Kept(past)
}

// stop says goodbye to the peers, unless kept tells why not. Addresses stay on
// the host: traffic that is on its way is still served.
func (l *Loop) stop(ctx context.Context, hurry <-chan struct{}, kept string) (withdrew bool) {
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
	if kept != "" {
		l.handOver()
		l.Log.Info("leaving the routes announced", "why", kept)
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
	cfg, _ := l.Config()
	l.Log.Info("withdrew every route", "vips", len(cfg.VIPs), "peers", len(cfg.BGP.Peers))
	return true
}
