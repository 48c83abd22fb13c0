package plugintest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/internal/wire"
)

func caseByHand(_ context.Context, r *programRig) error {
	p, err := r.command()
	if err != nil {
		return err
	}
	cookie := wire.Handshake().MagicCookieKey + "="
	p.cmd.Env = slices.DeleteFunc(p.cmd.Env, func(e string) bool { return strings.HasPrefix(e, cookie) })
	p.cmd.Stdout = &p.printed
	if err := r.begin(p.cmd); err != nil {
		p.cmd.Process = nil
		return fmt.Errorf("start %s: %w", r.Path, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.dead)
	}()
	select {
	case <-p.dead:
	case <-time.After(r.limit(startTime)):
		return fmt.Errorf("run by hand it goes on for %s", r.limit(startTime))
	}
	switch {
	case p.cmd.ProcessState.ExitCode() == 0:
		return errors.New("run by hand it ends with exit code 0")
	case p.printed.String()+p.said.String() == "":
		return errors.New("run by hand it says nothing of what it is")
	}
	return nil
}

func caseHandshake(ctx context.Context, r *programRig) error {
	began := time.Now()
	p, err := r.open(ctx)
	if err != nil {
		return err
	}
	r.figure("started and configured in", time.Since(began))
	if err := r.work(ctx, p); err != nil {
		return err
	}
	if _, err := r.stop(ctx, p); err != nil {
		return err
	}
	if more := p.printed.String(); more != "" {
		return fmt.Errorf("after the handshake it printed %q on standard output; logs belong on standard error", more)
	}
	return nil
}

func caseVersions(ctx context.Context, r *programRig) error {
	own := fmt.Sprint(plugins.APIVersion)
	for _, offered := range []string{own, own + ",98,99", "98,99," + own} {
		p, err := r.greet(ctx, setenv("PLUGIN_PROTOCOL_VERSIONS", offered))
		if err != nil {
			return fmt.Errorf("offered API %s: %w", offered, err)
		}
		if f := strings.Split(p.hello, "|"); len(f) < 2 || f[1] != own {
			return fmt.Errorf("offered API %s, it shook hands with %q; want %s in the second field", offered, p.hello, own)
		}
	}
	// Core tells the person what it says here, so it must be true.
	p, err := r.greet(ctx, setenv("PLUGIN_PROTOCOL_VERSIONS", "98,99"))
	if err != nil {
		return nil // it may also refuse
	}
	if f := strings.Split(p.hello, "|"); len(f) < 2 || f[1] == "98" || f[1] == "99" {
		return fmt.Errorf("offered API 98 and 99, which are not there yet, it shook hands with %q", p.hello)
	}
	return nil
}

func caseManifest(ctx context.Context, r *programRig) error {
	if r.Manifest == nil {
		return notAsked("it is built in and has no manifest")
	}
	p, err := r.start(ctx)
	if err != nil {
		return err
	}
	says, is := r.Manifest.Info(), p.b.Info()
	slices.Sort(says.Caps)
	slices.Sort(is.Caps)
	if fmt.Sprint(says) != fmt.Sprint(is) {
		return fmt.Errorf("its manifest says %+v, and its Info %+v", says, is)
	}
	return nil
}

func caseEnvironment(ctx context.Context, r *programRig) error {
	odd := filepath.Join(r.dir, "a b'\"$;\xc3\xa4")
	if err := os.Mkdir(odd, 0o700); err != nil {
		return err
	}
	shell := func(before, with string) func(*exec.Cmd) {
		return func(c *exec.Cmd) {
			c.Args = append([]string{"sh", "-c", before + ` exec "$0" "$@" ` + with, c.Path}, c.Args[1:]...)
			c.Path = "/bin/sh"
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*exec.Cmd)
	}{
		{"with standard input closed", shell("", "<&-")},
		{"with umask 077", shell("umask 077;", "")},
		{"in another working folder", func(c *exec.Cmd) { c.Dir = odd }},
		{"with LANG and LC_ALL xx", func(c *exec.Cmd) { setenv("LANG", "xx")(c); setenv("LC_ALL", "xx")(c) }},
		{"with TMPDIR " + odd, setenv("TMPDIR", odd)},
		{"with HOME=/nonexistent", setenv("HOME", "/nonexistent")},
	} {
		p, err := r.open(ctx, tt.change)
		if err == nil {
			err = r.work(ctx, p)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", tt.name, err)
		}
		if _, err := r.stop(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", tt.name, err)
		}
	}
	return nil
}

// setenv sets a variable in place of what was there.
func setenv(name, value string) func(*exec.Cmd) {
	return func(c *exec.Cmd) {
		c.Env = slices.DeleteFunc(c.Env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		c.Env = append(c.Env, name+"="+value)
	}
}

// work makes each call that changes nothing.
func (r *programRig) work(ctx context.Context, p *programRun) error {
	err := r.call(ctx, "Detect", callTime, func(ctx context.Context) error { _, err := p.b.Detect(ctx); return err })
	if err == nil {
		err = r.call(ctx, "Plan", callTime, func(ctx context.Context) error { _, err := r.plan(ctx, p.b, 1); return err })
	}
	if err == nil {
		err = r.call(ctx, "Observe", callTime, func(ctx context.Context) error { return r.observe(ctx, p.b) })
	}
	if err != nil {
		return p.explain(err)
	}
	return nil
}

func caseBigMessage(ctx context.Context, r *programRig) error {
	p, err := r.start(ctx)
	if err != nil {
		return err
	}
	const key = "no-such-setting"
	big := plugins.Config{StateDir: r.config.StateDir, Settings: map[string]any{key: strings.Repeat("x", 8<<20)}}
	err = r.call(ctx, "Configure with 8 MiB", callTime, func(ctx context.Context) error { return p.b.Configure(ctx, big) })
	if mistake := new(plugins.ConfigError); !errors.As(err, &mistake) || mistake.Key != key {
		return p.explain(fmt.Errorf("its Configure with 8 MiB under the key %q gave %.200v, want a *ConfigError with that key", key, err))
	}
	if p, err = r.open(ctx); err != nil {
		return err
	}
	began := time.Now()
	var plan plugins.Plan
	err = r.call(ctx, "Plan of 10,000", callTime, func(ctx context.Context) (err error) {
		plan, err = r.plan(ctx, p.b, 10_000)
		return err
	})
	if err != nil {
		return p.explain(err)
	}
	r.figure("10,000 planned in", time.Since(began))
	if len(plan.Steps) == 0 {
		return errors.New("its Plan of 10,000 has no steps")
	}
	return nil
}

func caseParallel(ctx context.Context, r *programRig) error {
	p, err := r.open(ctx)
	if err != nil {
		return err
	}
	watching, endWatch := context.WithCancel(ctx)
	defer endWatch()
	watch := make(chan error, 1)
	go func() { watch <- p.b.Watch(watching, func(plugins.Change) {}) }()

	calls := map[string]func(context.Context) error{
		"Info": func(ctx context.Context) error {
			other := &programRun{conn: p.conn}
			return other.connect(ctx, r.kind)
		},
		"Detect": func(ctx context.Context) error { _, err := p.b.Detect(ctx); return err },
	}
	const each, times = 4, 4
	errs := make(chan error, len(calls)*each*times+1)
	var done sync.WaitGroup
	done.Go(func() {
		errs <- r.call(ctx, "Apply beside others", startTime, func(ctx context.Context) error { return r.apply(ctx, p.b, 0) })
	})
	for name, call := range calls {
		for range each {
			done.Go(func() {
				for range times {
					errs <- r.call(ctx, name+" beside others", startTime, call)
				}
			})
		}
	}
	done.Wait()
	close(errs)
	for e := range errs {
		err = cmp.Or(err, e)
	}
	if err != nil {
		return p.explain(err)
	}
	endWatch()
	select {
	case err := <-watch:
		if err != nil {
			return p.explain(fmt.Errorf("its Watch gave %w at the end of its context, want nil", err))
		}
		return nil
	case <-time.After(r.limit(endTime)):
		return errors.New("its Watch does not return at the end of its context")
	}
}

// caseDeadline looks for what goes on at the far side: here, a call returns
// with its context whatever the program does.
func caseDeadline(ctx context.Context, r *programRig) error {
	p, err := r.open(ctx)
	if err != nil {
		return err
	}
	for n := range 20 {
		short, cancel := context.WithTimeout(ctx, time.Duration(n)*time.Millisecond/2)
		switch n % 3 { // done or not, both are fine
		case 0:
			_ = r.apply(short, p.b, n%2)
		case 1:
			_, _ = r.plan(short, p.b, 3)
		case 2:
			_ = r.observe(short, p.b)
		}
		cancel()
		err := r.call(ctx, "Observe after a call that was cut off", endTime, func(ctx context.Context) error { return r.observe(ctx, p.b) })
		if err != nil {
			return p.explain(err)
		}
	}
	return r.mended(ctx, p.b, 0)
}

func caseWatches(ctx context.Context, r *programRig) error {
	p, err := r.open(ctx)
	if err != nil {
		return err
	}
	for n := range 32 {
		short, cancel := context.WithCancel(ctx) // by core's hand: a Watch has no deadline
		timer := time.AfterFunc(20*time.Millisecond, cancel)
		err := withinLimit("Watch", r.limit(endTime), func() error { return p.b.Watch(short, func(plugins.Change) {}) })
		timer.Stop()
		cancel()
		if err == nil {
			err = r.call(ctx, "Observe", endTime, func(ctx context.Context) error { return r.observe(ctx, p.b) })
		}
		if err != nil {
			return p.explain(fmt.Errorf("when %d Watches were cut off: %w", n+1, err))
		}
	}
	return nil
}

// kills is how often a program is killed.
const kills = 6

func caseProgramKilled(ctx context.Context, r *programRig) error {
	p, err := r.open(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	for turn := range 2 {
		if err := r.call(ctx, "Apply", callTime, func(ctx context.Context) error { return r.apply(ctx, p.b, turn) }); err != nil {
			return p.explain(err)
		}
	}
	whole := time.Since(began) / 2
	random := rand.New(rand.NewPCG(1, 2))
	for n := range kills {
		applied := make(chan struct{})
		go func() {
			_ = r.apply(ctx, p.b, n%2) // it is cut off
			close(applied)
		}()
		after := time.Duration(random.Int64N(int64(whole) + 1))
		<-time.After(after)
		if err := p.kill(); err != nil {
			return err
		}
		<-applied
		if p, err = r.open(ctx); err != nil {
			return fmt.Errorf("after SIGKILL: %w", err)
		}
		if err := r.mended(ctx, p.b, n/2%2); err != nil {
			return p.explain(fmt.Errorf("killed after %s in Apply, and started again: %w", after.Round(10*time.Microsecond), err))
		}
	}
	return nil
}

func caseProgramEnds(ctx context.Context, r *programRig) error {
	home := filepath.Join(r.dir, "home")
	if err := os.Mkdir(home, 0o777); err != nil {
		return err
	}
	p, err := r.open(ctx, setenv("HOME", home), func(c *exec.Cmd) { c.Dir = home })
	if err != nil {
		return err
	}
	if err := r.mended(ctx, p.b, 0); err != nil {
		return p.explain(err)
	}
	took, err := r.stop(ctx, p)
	if err != nil {
		return err
	}
	r.figure("ended in", took)
	if pids := p.left(); len(pids) > 0 {
		return fmt.Errorf("it left processes behind: %v", pids)
	}
	for _, dir := range []string{p.sockets, p.tmp, home} {
		left, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return fmt.Errorf("it left %s behind in %s, which is not its StateDir", left[0].Name(), dir)
		}
	}
	return nil
}
