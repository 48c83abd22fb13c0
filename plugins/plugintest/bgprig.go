package plugintest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// bgpRig is what a case works with.
type bgpRig struct {
	under    BGP
	net      *bgpNet
	daemon   BGPDaemon
	b        plugins.BGPBackend
	info     plugins.Info
	stateDir string
	servers  []*bgppeer.Peer
	figures  []string
	secrets  map[string]bool // passwords, which no text of the backend may contain
}

// whole is a case from beginning to end.
func (r *bgpRig) whole(ctx context.Context, c bgpCase) (err error) {
	if r.net, err = newBGPNet(r.under.Here); err != nil {
		return err
	}
	defer r.net.close()
	r.stateDir = filepath.Join(r.net.host.Dir, "state")
	if err := os.Mkdir(r.stateDir, 0o700); err != nil {
		return err
	}
	if r.under.Daemon != nil {
		if r.daemon, err = r.under.Daemon(r.net.host); err != nil {
			return fmt.Errorf("its daemon: %w", err)
		}
		defer func() { err = errors.Join(err, r.daemon.Close()) }()
		if err := r.daemon.Start(ctx); err != nil {
			return fmt.Errorf("start its daemon: %w", err)
		}
	}
	defer r.closeServers()
	if err := r.reopen(ctx); err != nil {
		return errors.Join(err, r.close())
	}
	err = c.run(ctx, r)
	if err != nil && !errors.As(err, new(notRun)) && !errors.As(err, new(notAsked)) {
		return errors.Join(err, r.close(), r.transcripts())
	}
	return errors.Join(err, r.close())
}

// transcripts tells what the route servers saw, for a case that failed.
func (r *bgpRig) transcripts() error {
	const most = 40
	var all []error
	for _, s := range r.servers {
		lines := strings.Split(strings.TrimSpace(s.Transcript()), "\n")
		if n := len(lines); n > most {
			lines = append(append(lines[:most/2:most/2], fmt.Sprintf("... %d more", n-most)), lines[n-most/2:]...)
		}
		all = append(all, fmt.Errorf("the route server at %s saw:\n%s", s.Addr(), strings.Join(lines, "\n")))
	}
	return errors.Join(all...)
}

func (r *bgpRig) closeServers() {
	for _, s := range r.servers {
		s.Close()
	}
}

// reopen is a start of the backend's process, after a clean end of the last one.
func (r *bgpRig) reopen(ctx context.Context) error {
	if err := r.close(); err != nil {
		return err
	}
	b, err := r.under.Open(r.net.host)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	r.b, r.info = b, b.Info()
	return limited(ctx, "Configure", func(ctx context.Context) error {
		return b.Configure(ctx, plugins.Config{Settings: r.settings(), StateDir: r.stateDir})
	})
}

func (r *bgpRig) settings() map[string]any {
	if r.under.Settings == nil {
		return nil
	}
	return r.under.Settings(r.net.host)
}

func (r *bgpRig) close() error {
	if r.b == nil {
		return nil
	}
	err := r.b.Close()
	r.b = nil
	if err != nil {
		return fmt.Errorf("its Close: %w", err)
	}
	return nil
}

// kill ends the backend's process as a crash does.
func (r *bgpRig) kill() error {
	if err := r.under.Kill(r.b); err != nil {
		return fmt.Errorf("kill the backend's process: %w", err)
	}
	_ = r.b.Close() // of a dead process; whatever it says
	r.b = nil
	return nil
}

// needKill ends a case where there is no process to kill.
func (r *bgpRig) needKill() error {
	if r.under.Kill == nil {
		return notRun("nothing here can kill the backend's process")
	}
	return nil
}

func (r *bgpRig) needDaemon() error {
	if r.daemon == nil {
		return notAsked("it drives no daemon")
	}
	return nil
}

// need ends a case about a capability that the backend does not claim.
func (r *bgpRig) need(c plugins.Cap) error {
	if !r.info.Has(c) {
		return notAsked("it does not claim " + string(c))
	}
	return nil
}

// figure notes how long something took.
func (r *bgpRig) figure(what string, took time.Duration) {
	r.figures = append(r.figures, inWords(what, took))
}

func (r *bgpRig) apply(ctx context.Context, want plugins.Speaker) error {
	if err := r.hold(want); err != nil {
		return err
	}
	return r.call(ctx, "Apply", func(ctx context.Context) error { return r.b.Apply(ctx, want) })
}

func (r *bgpRig) plan(ctx context.Context, want plugins.Speaker) (p plugins.Plan, err error) {
	err = r.call(ctx, "Plan", func(ctx context.Context) (err error) {
		p, err = r.b.Plan(ctx, want)
		return errors.Join(err, r.keepsSecrets(fmt.Sprint(p)))
	})
	return p, err
}

// call does as core does: with the time that a call may take, and again as
// long as it gives ErrUnavailable.
func (r *bgpRig) call(ctx context.Context, name string, f func(context.Context) error) error {
	var err error
	late := r.until(ctx, name+" to work", func() error {
		err = limited(ctx, name, func(ctx context.Context) error { return r.secretless(f(ctx)) })
		if errors.Is(err, plugins.ErrUnavailable) {
			return err
		}
		return nil
	})
	return cmp.Or(late, err)
}

// nothingToDo expects an empty plan.
func (r *bgpRig) nothingToDo(ctx context.Context, when string, want plugins.Speaker) error {
	p, err := r.plan(ctx, want)
	if err != nil {
		return fmt.Errorf("%s: %w", when, err)
	}
	if len(p.Steps) > 0 {
		return fmt.Errorf("%s: Plan of the same has steps: %s", when, steps(p))
	}
	return nil
}

// observe gives the states by peer name.
func (r *bgpRig) observe(ctx context.Context) (map[string]plugins.PeerState, error) {
	states := map[string]plugins.PeerState{}
	err := r.call(ctx, "Observe", func(ctx context.Context) error {
		s, err := r.b.Observe(ctx)
		if err := errors.Join(err, r.keepsSecrets(fmt.Sprint(s))); err != nil {
			return err
		}
		clear(states)
		for _, p := range s.Peers {
			if _, twice := states[p.Name]; twice {
				return fmt.Errorf("peer %s is there twice", p.Name)
			}
			states[p.Name] = p
		}
		return nil
	})
	return states, err
}

var errLeak = errors.New("it tells a password")

// secretless passes an error on, or another one if it tells a password.
func (r *bgpRig) secretless(err error) error {
	if err == nil {
		return nil
	}
	if leak := r.keepsSecrets(err.Error()); leak != nil {
		return leak
	}
	return err
}

func (r *bgpRig) keepsSecrets(text string) error {
	for s := range r.secrets {
		if strings.Contains(text, s) {
			return fmt.Errorf("%w: %s", errLeak, strings.ReplaceAll(text, s, "*****"))
		}
	}
	return nil
}

// limited calls f with the time that a call may take.
func limited(ctx context.Context, name string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if err := f(ctx); err != nil {
		return fmt.Errorf("its %s: %w", name, err)
	}
	return nil
}
