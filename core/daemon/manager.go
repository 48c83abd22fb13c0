package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/reconcile"
	"github.com/stentor-net/stentor/core/status"
)

// notify tells the service manager, if there is one (sd_notify(3)).
func notify(state string) { _, _ = sd.SdNotify(false, state) }

// notifyReloading announces a reload. Type=notify-reload wants the time of the
// monotonic clock with it (systemd.service(5)).
func notifyReloading() {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) == nil {
		notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", t.Nano()/1000))
	}
}

// readyWithin bounds how long a start waits for the addresses: what comes after
// it at boot must not wait for ever.
const readyWithin = 10 * time.Second

// tellManager reports READY when the addresses are on the host, so that services
// that bind them can start, a line of STATUS at each snapshot, STOPPING when
// stopping ends, and feeds the watchdog for as long as the loop makes passes.
func (d *Daemon) tellManager(ctx, stopping context.Context) {
	interval, _ := sd.SdWatchdogEnabled(false)
	var dog <-chan time.Time
	if interval > 0 {
		ticker := time.NewTicker(interval / 3)
		defer ticker.Stop()
		dog = ticker.C
	}
	ready, passes, stop := false, uint64(0), stopping.Done()
	late := time.NewTimer(readyWithin)
	defer late.Stop()
	beReady := func() {
		if !ready {
			notify("READY=1")
			ready = true
		}
	}
	for {
		next := d.Next()
		if s := d.Status(); s != nil {
			if placed(s) {
				beReady()
			}
			d.tellStatus(s)
		}
		select {
		case <-ctx.Done():
			if stop != nil { // both ended before this was looked at
				notify("STOPPING=1" + d.moreTime())
			}
			return
		case <-late.C:
			beReady()
		case <-stop:
			notify("STOPPING=1" + d.moreTime())
			stop = nil
		case <-next:
		case <-dog:
			if now := d.loop.Passes(); now != passes || stop == nil {
				passes = now
				notify("WATCHDOG=1")
			}
			d.loop.Wake() // the next tick wants to see a new pass
		}
	}
}

// placed reports whether every address is where it shall be, or the network
// backend said why it can't be.
func placed(s *status.Status) bool {
	if slices.ContainsFunc(s.Problems, func(p status.Problem) bool { return p.Object == "network" }) {
		return true
	}
	return !slices.ContainsFunc(s.VIPs, func(v status.VIP) bool { return !v.OnHost && v.State != status.Drained })
}

// moreTime asks for the time that a drain takes before the goodbye, which can be
// more than a unit is given to stop (TimeoutStopSec= in systemd.service(5)).
func (d *Daemon) moreTime() string {
	cfg, _ := d.loop.Config()
	if cfg.BGP.OnExit != config.OnExitDrain {
		return ""
	}
	return fmt.Sprintf("\nEXTEND_TIMEOUT_USEC=%d", reconcile.LeaveTime(cfg).Microseconds())
}

// tellStatus has `systemctl status` show a line.
func (d *Daemon) tellStatus(s *status.Status) {
	line := summary(s)
	if why := d.refusal.Load(); why != nil {
		line = *why + "; " + line
	}
	notify("STATUS=" + line)
}

// refused keeps in that line that the last reload was refused, since all that
// `systemctl reload` says is that it failed; nil: it was not.
func (d *Daemon) refused(err error) {
	if err == nil {
		d.refusal.Store(nil)
	} else {
		first, _, _ := strings.Cut(err.Error(), "\n") // a finding, with its place
		why := "reload refused: " + strings.Join(strings.Fields(first), " ")
		d.refusal.Store(&why)
	}
	if s := d.Status(); s != nil {
		d.tellStatus(s)
	}
}

// summary is what there is to say of a snapshot in one line.
func summary(s *status.Status) string {
	announced, drained, up := 0, 0, 0
	for _, v := range s.VIPs {
		switch v.State {
		case status.Announced:
			announced++
		case status.Drained:
			drained++
		}
	}
	for _, p := range s.Peers {
		if p.State == "established" {
			up++
		}
	}
	line := fmt.Sprintf("%d/%d VIPs announced, %d/%d sessions", announced, len(s.VIPs), up, len(s.Peers))
	if drained > 0 {
		line += fmt.Sprintf(", %d drained", drained)
	}
	if n := len(s.Problems); n > 0 {
		line += fmt.Sprintf(", %d problems: %s: %s", n, s.Problems[0].Object, s.Problems[0].Message)
	}
	// A message is assignments, one a line: what follows a line break would be
	// another one (sd_notify(3)).
	return strings.Join(strings.Fields(line), " ")
}
