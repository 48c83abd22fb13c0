package daemon

import (
	"context"
	"time"

	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/status"
)

// kernelTap gives the kernel's view to two readers: the loop, and the checks of
// interfaces.
type kernelTap struct {
	*host.Host
	changed chan struct{}
}

func newKernelTap(k *host.Host) *kernelTap {
	return &kernelTap{Host: k, changed: make(chan struct{}, 1)}
}

// Changed is for the loop.
func (t *kernelTap) Changed() <-chan struct{} { return t.changed }

// follow tells the loop of each change, and then the checks.
func (t *kernelTap) follow(ctx context.Context, checks *health.Runner) {
	ready := t.Ready()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ready:
			ready = nil
		case <-t.Host.Changed():
			select {
			case t.changed <- struct{}{}:
			default:
			}
		}
		links := t.View().Links
		checks.Feed(func(f *health.Facts) { f.Links = linkFacts(links) })
	}
}

func linkFacts(links map[string]host.Link) map[string]string {
	facts := make(map[string]string, len(links))
	for name, l := range links {
		facts[name] = ""
		if !l.Up {
			facts[name] = l.Why
		}
	}
	return facts
}

// feedChecks tells the checks of sessions and VIPs what each snapshot says.
func (d *Daemon) feedChecks(ctx context.Context) {
	for {
		next := d.Next()
		if s := d.loop.Status(); s != nil {
			sessions, vips := sessionFacts(s), vipFacts(s)
			d.checks.Feed(func(f *health.Facts) { f.Sessions, f.VIPs = sessions, vips })
		}
		select {
		case <-ctx.Done():
			return
		case <-next:
		}
	}
}

func sessionFacts(s *status.Status) map[string]bool {
	facts := make(map[string]bool, len(s.Peers))
	for _, p := range s.Peers {
		facts[p.Name] = p.State == "established"
	}
	return facts
}

func vipFacts(s *status.Status) map[string]string {
	facts := make(map[string]string, len(s.VIPs))
	for _, v := range s.VIPs {
		facts[v.Name] = ""
		if v.State != status.Announced {
			facts[v.Name] = string(v.State)
		}
	}
	return facts
}

// withResults puts the newest results into a snapshot. One that decided nothing
// makes no snapshot of its own, so it is missing there.
func withResults(s *status.Status, view health.View) *status.Status {
	if s == nil || len(s.Checks) == 0 {
		return s
	}
	fresh := *s
	fresh.Checks = append([]status.Check(nil), s.Checks...)
	for i := range fresh.Checks {
		c := &fresh.Checks[i]
		now, ok := view[c.Name]
		if !ok || string(now.State) != c.State {
			continue // the next snapshot is on its way
		}
		c.At, c.Output, c.Recent = now.At, now.Output, health.History(now.Recent)
		c.TookMS = float64(now.Took) / float64(time.Millisecond)
	}
	return &fresh
}
