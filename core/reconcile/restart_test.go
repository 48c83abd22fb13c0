package reconcile

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// rerun runs a loop that takes past over; stop ends it, and gives what it left.
func rerun(t *testing.T, dir string, w *world, c *config.Config, past Past, restart bool) (l *Loop, stop func() Past) {
	t.Helper()
	drains, err := OpenDrains(dir)
	if err != nil {
		t.Fatal(err)
	}
	var kept Past
	l = New(Options{
		Net: fakeNet{base{w}}, BGP: fakeBGP{base{w}}, Host: w, Drains: drains, Latches: openLatches(t, dir), Health: w.health,
		Log: slog.New(slog.DiscardHandler), DeriveRouterID: routerID, Past: past,
		Restarting: func(context.Context) bool { return restart },
		Kept: func(p Past) {
			text, err := json.Marshal(p) // as it goes to a file
			if err == nil {
				err = json.Unmarshal(text, &kept)
			}
			if err != nil {
				t.Error(err)
			}
		},
	}, c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.Run(ctx, nil) }()
	settle(time.Second)
	return l, func() Past {
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for _, b := range w.broken {
			t.Error(b)
		}
		return kept
	}
}

// TestRestart: what a run leaves with the peers the next one takes over, and no
// peer is told anything, though the checks begin anew.
func TestRestart(t *testing.T) {
	tests := map[string]struct {
		onExit    config.OnExit
		onRestart config.OnRestart
		restart   bool
		keeps     bool
	}{
		"restart":                  {config.OnExitWithdraw, config.OnRestartKeep, true, true},
		"restart, drain on exit":   {config.OnExitDrain, config.OnRestartKeep, true, true},
		"restart, which is a stop": {config.OnExitWithdraw, config.OnRestartStop, true, false},
		"stop":                     {config.OnExitWithdraw, config.OnRestartKeep, false, false},
		"stop, keep on exit":       {config.OnExitKeep, config.OnRestartStop, false, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, dir, w := checked(config.Failover{StartDelay: time.Minute}), t.TempDir(), newWorld(500*time.Millisecond)
				c.BGP.OnExit, c.BGP.OnRestart = tt.onExit, tt.onRestart
				w.session("rs1", true)
				l, stop := rerun(t, dir, w, c, nil, tt.restart)
				w.good(l)
				settle(2 * time.Minute)
				before := w.updates
				past := stop()
				if (w.updates == before) != tt.keeps || (len(past) == 1) != tt.keeps {
					t.Fatalf("%d updates on the way out, and the next run is told %v", w.updates-before, past)
				}
				if !tt.keeps {
					return
				}
				w.checks = nil
				l, stop = rerun(t, dir, w, c, past, false)
				if w.updates != before {
					t.Errorf("the next run sent %d updates", w.updates-before)
				}
				if v := l.Status().VIPs[0]; v.State != status.Announced || v.Health != "unknown" {
					t.Errorf("in the next run: %+v", v)
				}
				w.bad(l)
				settle(time.Millisecond)
				if w.announced() != nil {
					t.Error("its checks decide nothing")
				}
				stop()
			})
		})
	}
}

// TestRestartWhileDown: a VIP that was unhealthy does not come back by a restart.
func TestRestartWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, dir, w := checked(config.Failover{}), t.TempDir(), newWorld(500*time.Millisecond)
		c.BGP.OnRestart = config.OnRestartKeep
		w.session("rs1", true)
		l, stop := rerun(t, dir, w, c, nil, true)
		w.bad(l)
		settle(time.Second)
		past := stop()
		w.checks = nil
		l, stop = rerun(t, dir, w, c, past, false)
		if v := l.Status().VIPs[0]; v.State != status.Withdrawn || w.announced() != nil {
			t.Errorf("%+v", v)
		}
		w.good(l)
		settle(time.Second)
		if w.announced() == nil {
			t.Error("it does not come back with its check")
		}
		stop()
	})
}

// TestStopAfterRestart: a run that is stopped before its sessions are back waits
// for them, as the peers keep the routes of the run before.
func TestStopAfterRestart(t *testing.T) {
	tests := map[string]struct {
		past  Past
		back  time.Duration // from the stop on, the session; 0: never
		after time.Duration
	}{
		"the session comes":      {Past{}, 2 * time.Second, 2 * time.Second},
		"the session never does": {Past{}, 0, 7 * time.Second}, // of 8 s since the start
		"no restart":             {nil, 2 * time.Second, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, w := conf(1), newWorld(500*time.Millisecond)
				c.BGP.Peers = c.BGP.Peers[:1]
				c.BGP.Peers[0].GracefulRestart = 8 * time.Second
				_, stop := rerun(t, t.TempDir(), w, c, tt.past, false)
				began := time.Now()
				if tt.back > 0 {
					time.AfterFunc(tt.back, func() { w.do(func() { w.session("rs1", true) }) })
				}
				stop()
				if took := time.Since(began).Round(100 * time.Millisecond); took != tt.after {
					t.Errorf("the stop took %s, want %s", took, tt.after)
				}
				if len(w.told["rs1"]) > 0 {
					t.Errorf("left behind: %v", w.told)
				}
				settle(10 * time.Second) // for the timer
			})
		})
	}
}

func TestOutlook(t *testing.T) {
	const keeps, loses = true, false
	drives := plugins.Info{Name: "frr", Caps: []plugins.Cap{plugins.CapOutlivesDaemon}}
	own := plugins.Info{Name: "gobgp"}
	helps, drops, silent := status.Peer{Name: "rs1", Announced: 1, GracefulRestart: true}, status.Peer{Name: "rs2", Announced: 1}, status.Peer{Name: "rs3"}
	keep, stop := config.BGP{OnRestart: config.OnRestartKeep}, config.BGP{OnRestart: config.OnRestartStop}
	tests := map[string]struct {
		bgp     config.BGP
		speaker plugins.Info
		managed bool
		peers   []status.Peer
		want    status.Restart
	}{
		"helpers":            {keep, own, true, []status.Peer{helps, silent}, status.Restart{KeepsRoutes: keeps, Why: "each peer that has a route keeps it (graceful restart)"}},
		"one is no helper":   {keep, own, true, []status.Peer{helps, drops}, status.Restart{KeepsRoutes: loses, Why: "no graceful restart was agreed on with rs2, so the routes go with the session"}},
		"off":                {stop, own, true, []status.Peer{helps}, status.Restart{KeepsRoutes: loses, Why: "the routes are withdrawn meanwhile; with graceful_restart in [bgp], peers that can do it keep them"}},
		"no routes":          {stop, own, true, []status.Peer{silent}, status.Restart{KeepsRoutes: keeps, Why: "no peer has a route from this host"}},
		"driven":             {keep, drives, true, []status.Peer{drops}, status.Restart{KeepsRoutes: keeps, Why: "frr goes on and keeps the routes"}},
		"driven, on_exit":    {config.BGP{OnExit: config.OnExitKeep, OnRestart: config.OnRestartStop}, drives, false, []status.Peer{drops}, status.Restart{KeepsRoutes: keeps, Why: "frr goes on and keeps the routes"}},
		"driven, off":        {stop, drives, true, []status.Peer{drops}, status.Restart{KeepsRoutes: loses, Why: `the routes are withdrawn meanwhile; with on_restart = "keep" in [bgp], frr keeps them`}},
		"no service manager": {keep, own, false, []status.Peer{helps}, status.Restart{KeepsRoutes: loses, Why: "systemd does not run this daemon, and nobody else tells it a restart from a stop"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(&tt.want, outlook(tt.bgp, tt.speaker, tt.managed, tt.peers)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
