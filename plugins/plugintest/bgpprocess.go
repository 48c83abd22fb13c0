package plugintest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

func caseKilled(ctx context.Context, r *bgpRig) error {
	if err := r.needKill(); err != nil {
		return err
	}
	s, want, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	began := time.Now()
	if err := r.kill(); err != nil {
		return err
	}
	if r.info.Has(plugins.CapOutlivesDaemon) {
		return r.takenOver(ctx, s, want)
	}
	e, err := r.event(ctx, s, "the end of the connection", isA(bgppeer.Closed))
	if err != nil {
		return err
	}
	r.figure("connection closed after", e.Time.Sub(began))
	if err := r.reopen(ctx); err != nil {
		return err
	}
	if err := r.settled(ctx, s, want); err != nil {
		return err
	}
	return r.nothingToDo(ctx, "in a new process, after Apply", want)
}

// takenOver expects a new process to find all in place, and to be able to remove it.
func (r *bgpRig) takenOver(ctx context.Context, s *bgppeer.Peer, want plugins.Speaker) error {
	if err := r.reopen(ctx); err != nil {
		return err
	}
	if err := r.nothingToDo(ctx, "in a new process", want); err != nil {
		return err
	}
	if err := r.quiet(ctx, s, want, func() error { return r.apply(ctx, want) }); err != nil {
		return err
	}
	if err := oneSession(s); err != nil {
		return err
	}
	if err := r.apply(ctx, plugins.Speaker{}); err != nil {
		return err
	}
	_, err := r.event(ctx, s, "the end of the session", isA(bgppeer.Closed))
	return err
}

func caseCloseKeeps(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapOutlivesDaemon); err != nil {
		return err
	}
	s, want, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	if err := r.close(); err != nil {
		return err
	}
	return r.takenOver(ctx, s, want)
}

func caseRoutes(ctx context.Context, r *bgpRig) error {
	const table = 100_000
	_, err := r.server(2, func(c *bgppeer.Config) { c.Routes = table })
	if err != nil {
		return err
	}
	s, want, err := r.one(ctx, role(vip4, 1))
	if err != nil {
		return err
	}
	before, err := r.net.host.routes()
	if err != nil {
		return err
	}
	small := r.memory()
	want.Peers = append(want.Peers, r.peer(2))
	if err := r.apply(ctx, want); err != nil {
		return err
	}
	_, err = r.tells(ctx, "rs2", fmt.Sprintf("established, %d routes received", table), func(s plugins.PeerState) bool {
		return s.State == plugins.StateEstablished && s.Received == table
	})
	if err != nil {
		return err
	}
	if big := r.memory(); small > 0 && big > 0 {
		r.figures = append(r.figures, fmt.Sprintf("%d routes cost %.1f MB", table, float64(big-small)/1024))
	}
	after, err := r.net.host.routes()
	if err == nil && after != before {
		err = fmt.Errorf("the host's routes were\n%sand are\n%.2000s", before, after)
	}
	if err != nil {
		return err
	}
	if err := r.quiet(ctx, s, want, func() error { return nil }); err != nil {
		return err
	}
	return r.told(ctx, "rs2", vip4, mark)
}

// memory is the resident memory of the speaker in KiB (proc(5), VmRSS); 0 if unknown.
func (r *bgpRig) memory() int {
	if r.under.PID == nil {
		return 0
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.under.PID(r.b)))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	return 0
}

func caseAddressBack(ctx context.Context, r *bgpRig) error {
	s, want, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	// What it does without the address is its own affair: core withdraws.
	if err := r.net.host.release(vip4, vip6); err != nil {
		return err
	}
	if _, err := r.observe(ctx); err != nil {
		return err
	}
	if err := r.settled(ctx, s, want); err != nil {
		return err
	}
	return oneSession(s)
}

func caseOpensNoPort(ctx context.Context, r *bgpRig) error {
	if r.daemon != nil {
		return notAsked("the daemon's ports are its operator's affair")
	}
	if _, _, err := r.one(ctx, role(vip4, 1)); err != nil {
		return err
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		var raw []byte
		err := r.net.host.Do(func() (err error) {
			raw, err = os.ReadFile("/proc/thread-self/net/" + table)
			return err
		})
		if err != nil {
			return err
		}
		for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
			if f := strings.Fields(line); i > 0 && (strings.HasPrefix(table, "udp") || f[3] == "0A") { // TCP_LISTEN
				return fmt.Errorf("it has an open %s socket: %s", table, line)
			}
		}
	}
	return nil
}
