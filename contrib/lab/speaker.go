package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// GoBGP and Native are speakers inside of Stentor: nothing else runs on the host.
const (
	GoBGP  Kind = "gobgp"
	Native Kind = "native"
)

// Speaker is the BGP daemon that a host runs besides Stentor, with its
// operator's own configuration.
type Speaker struct {
	// TOML is the table with which Stentor's backend finds it.
	TOML string
	// Conf is the operator's file.
	Conf string

	lab    *Lab
	config daemonConfig
	kind   Kind
	daemons
}

// StartSpeaker starts a BGP daemon, FRR or BIRD, on a host. It dies with the lab.
func (l *Lab) StartSpeaker(ctx context.Context, host string, k Kind) (*Speaker, error) {
	c := l.daemonConfig(host + "-" + string(k))
	c.Host = host
	for _, a := range l.Addrs(host) {
		if a.Is4() {
			c.ID = a
		}
	}
	dir := l.nodeDir(c.Name)
	c.Include = filepath.Join(dir, "include")
	s := &Speaker{lab: l, config: c, kind: k, daemons: daemons{running: map[string][]*Process{}}}
	switch k {
	case GoBGP, Native:
		return s, nil
	case FRR:
		s.Conf, s.cleanUp = filepath.Join(dir, "bgpd.conf"), removeCrashDir
		s.TOML = fmt.Sprintf("[backend.frr]\nvty_socket = %q\n", dir)
	case BIRD:
		s.Conf = filepath.Join(dir, "bird.conf")
		s.TOML = fmt.Sprintf("[backend.bird]\nsocket = %q\ninclude_dir = %q\n", filepath.Join(dir, "bird.ctl"), c.Include)
		if err := os.MkdirAll(c.Include, 0o755); err != nil {
			return nil, fmt.Errorf("lab: %w", err)
		}
	default:
		return nil, fmt.Errorf("lab: speaker %q: want %s, %s, %s or %s", k, GoBGP, Native, FRR, BIRD)
	}
	return s, s.Start(ctx)
}

// Start starts the daemon again after Kill or Stop.
func (s *Speaker) Start(ctx context.Context) error {
	switch s.kind {
	case FRR:
		f, err := newFRR(s.lab)
		if err != nil {
			return err
		}
		err = f.launch(ctx, s.config, zebra(), frrDaemon{"staticd", staticdPath, "frr-static.conf.tmpl", "staticd.vty", nil}, bgpd("frr-host.conf.tmpl"))
		s.take(&f.daemons)
		return err
	case BIRD:
		b, err := newBIRD(s.lab)
		if err != nil {
			return err
		}
		if err = b.run(s.config, "bird-host.conf.tmpl"); err == nil {
			err = b.await(ctx, "BIRD's socket", func() (bool, string) {
				_, err := b.show(ctx, s.config.Name, "show status")
				return err == nil, fmt.Sprint(err)
			})
		}
		s.take(&b.daemons)
		return err
	}
	return nil
}

func (s *Speaker) take(d *daemons) {
	for _, p := range d.running[s.config.node()] {
		s.add(p)
	}
}

// Kill ends the daemon as a crash would.
func (s *Speaker) Kill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return s.end(ctx, s.config.node(), true)
}

// Show gives the daemon's answer to one command of its own.
func (s *Speaker) Show(ctx context.Context, command string) (string, error) {
	if s.kind == BIRD {
		lines, err := (&bird{lab: s.lab}).show(ctx, s.config.Name, command)
		return strings.Join(lines, "\n"), err
	}
	out, err := s.lab.Output(ctx, s.config.node(), vtyshPath, "--vty_socket", s.lab.nodeDir(s.config.Name), "-c", command)
	return string(out), err
}
