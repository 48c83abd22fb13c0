package lab

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// TrialOptions are a configuration to try, as its file says it and as it was read.
type TrialOptions struct {
	Binary  string // the stentor binary
	Config  []byte // the file
	Peers   []plugins.Peer
	HostASN uint32
	VIPs    []netip.Addr
	// Linode makes the route servers' policy that of Linode; otherwise they
	// take any route and choose by its attributes.
	Linode       bool
	RouteServers Kind // Embedded when empty
	Cut          bool // adds the silent cut, which waits for the hold timer
	Err          io.Writer
}

// Trial runs a configuration on two hosts, against route servers at its peers'
// addresses, and walks through a failover. It starts this process's command
// line again in a sandbox; see Exited.
func Trial(ctx context.Context, out io.Writer, opts TrialOptions) error {
	if opts.Err == nil {
		opts.Err = os.Stderr
	}
	return inSandbox(ctx, out, opts.Err, func(ctx context.Context) error {
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		return trial(ctx, out, opts)
	})
}

func trial(ctx context.Context, out io.Writer, opts TrialOptions) (err error) {
	configs, notes, err := adapt(opts.Config)
	if err != nil {
		return err
	}
	began := time.Now()
	o := Peering(opts.Peers, opts.HostASN)
	if opts.Linode {
		o.Policy, o.Shared = PolicyLinode, false
	}
	o.Name, o.Dir, o.RouteServers = "trial", filepath.Join(scratchDir, "trial"), opts.RouteServers
	l, err := New(o)
	if err != nil {
		return err
	}
	s := &scenario{lab: l, out: out, binary: opts.Binary, vips: opts.VIPs, hosts: map[string]*Process{}}
	defer s.end(&err)

	up, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := l.Up(up); err != nil {
		return err
	}
	fmt.Fprintf(out, "Host a runs the configuration as primary, host b as secondary, against route servers at\n")
	for i, p := range opts.Peers {
		fmt.Fprintf(out, "  %s  %s AS %d\n", rsName(i), p.Addr, p.ASN)
	}
	for _, n := range notes {
		fmt.Fprintf(out, "In the lab only: %s\n", n)
	}
	for host, toml := range configs {
		if err := s.writeConfig(host, toml); err != nil {
			return err
		}
	}
	if err := s.walk(ctx, opts.Cut); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nThe configuration fails over and back. Done in %.1f s; nothing is left behind.\n", time.Since(began).Seconds())
	return nil
}
