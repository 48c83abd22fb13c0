package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// manyAddr is the nth of many addresses (RFC 3849).
func manyAddr(n int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("2001:db8:7e57:3::%x", n+1))
}

// program runs a case of programs on the host of a network backend.
func (r *netRig) program(ctx context.Context, c programCase) error {
	if err := r.close(); err != nil { // there is one process at a time
		return err
	}
	turns := [][]plugins.VIP{r.vips(0, 1, 2), r.vips(1, 3, 4)}
	p := &programRig{
		Program: *r.under.Program, kind: plugins.KindNet, dir: r.dir,
		config: plugins.Config{Settings: r.under.Settings, StateDir: r.stateDir},
		begin:  r.begin,
		plan: func(ctx context.Context, b plugins.Backend, n int) (plugins.Plan, error) {
			want := make([]plugins.VIP, n)
			for i := range want {
				want[i] = plugins.VIP{Name: fmt.Sprintf("plugintest%d", i), Addr: manyAddr(i), Link: r.under.Link}
			}
			return b.(plugins.NetBackend).Plan(ctx, want)
		},
		apply: func(ctx context.Context, b plugins.Backend, turn int) error {
			return b.(plugins.NetBackend).Apply(ctx, turns[turn])
		},
		mended: func(ctx context.Context, b plugins.Backend, turn int) error {
			r.b = b.(plugins.NetBackend)
			defer func() { r.b = nil }()
			return r.mended(ctx, turns[turn], turns[1-turn])
		},
		observe: func(ctx context.Context, b plugins.Backend) error {
			_, err := b.(plugins.NetBackend).Observe(ctx)
			return err
		},
		limit:  r.under.stretched,
		figure: r.figure,
	}
	return errors.Join(p.whole(ctx, c), r.reopen(ctx))
}

// begin starts a program on the host. Its parent-death signal comes with the
// end of the thread that started it (prctl(2)), so the thread waits for it.
func (r *netRig) begin(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		r.under.Inside(func() {
			err := cmd.Start()
			started <- err
			if err != nil {
				return
			}
			for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
			}
		})
	}()
	return <-started
}

// program runs a case of programs on the host of a BGP backend.
func (r *bgpRig) program(ctx context.Context, c programCase) error {
	if err := r.close(); err != nil {
		return err
	}
	server, err := r.server(1)
	if err != nil {
		return err
	}
	peers := []plugins.Peer{r.peer(1)}
	turns := []plugins.Speaker{
		speakerOf(peers, role(vip4, 1), role(vip6, 1)),
		speakerOf(peers, role(vip6, 2), role(vip4b, 1), role(vip6wide, 1)),
	}
	for _, want := range turns {
		if err := r.hold(want); err != nil {
			return err
		}
	}
	p := &programRig{
		Program: *r.under.Program, kind: plugins.KindBGP, dir: r.net.host.Dir,
		config: plugins.Config{Settings: r.settings(), StateDir: r.stateDir},
		begin:  func(cmd *exec.Cmd) error { return r.net.host.Do(cmd.Start) },
		plan: func(ctx context.Context, b plugins.Backend, n int) (plugins.Plan, error) {
			all := make([]plugins.Announcement, n)
			for i := range all {
				all[i] = role(netip.PrefixFrom(manyAddr(i), 128), 1)
			}
			return b.(plugins.BGPBackend).Plan(ctx, speakerOf(peers, all...))
		},
		apply: func(ctx context.Context, b plugins.Backend, turn int) error {
			return b.(plugins.BGPBackend).Apply(ctx, turns[turn])
		},
		mended: func(ctx context.Context, b plugins.Backend, turn int) error {
			return r.mended(ctx, b.(plugins.BGPBackend), server, turns[turn])
		},
		observe: func(ctx context.Context, b plugins.Backend) error {
			_, err := b.(plugins.BGPBackend).Observe(ctx)
			return err
		},
		limit:  func(limit time.Duration) time.Duration { return limit },
		figure: r.figure,
	}
	return errors.Join(p.whole(ctx, c), r.reopen(ctx))
}

// mended expects an Apply to put everything right.
func (r *bgpRig) mended(ctx context.Context, b plugins.BGPBackend, server *bgppeer.Peer, want plugins.Speaker) error {
	r.b, r.info = b, b.Info()
	defer func() { r.b = nil }()
	if err := r.settled(ctx, server, want); err != nil {
		return err
	}
	return r.nothingToDo(ctx, "after the next Apply", want)
}
