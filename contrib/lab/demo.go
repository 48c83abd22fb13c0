package lab

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// DemoOptions say how the demo shall run.
type DemoOptions struct {
	Binary       string // the stentor binary
	RouteServers Kind   // Embedded when empty
	// Backends are the speakers of the hosts a and b; GoBGP when empty.
	Backends [2]Kind
	// Cut adds the silent cut, which waits for the hold timer.
	Cut bool
	// Err takes what the demo's own process has to say to people when it fails.
	Err io.Writer
}

// demoVIPs are the addresses that the demo's hosts share: one from the
// benchmarking range (RFC 2544), one from the documentation range (RFC 3849).
var demoVIPs = []netip.Addr{netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("2001:db8:5a:1::1")}

// demoDCID is the data centre whose route servers the demo plays.
const demoDCID = 10

var demoRoles = map[string]string{HostA: "primary", HostB: "secondary"}

// demoConfig is a host's configuration: what an admin writes, and the one line
// that keeps the lab's hosts, which share this machine's files, off these.
func demoConfig(role string, backend Kind, table string) []byte {
	speaker := ""
	if backend != GoBGP {
		speaker = fmt.Sprintf("backend  = %q\n", backend)
	}
	if table != "" {
		table = "\n" + table
	}
	return fmt.Appendf(nil, `[network]
backend = "iproute"

[bgp]
%[3]sprovider = "linode"
dcid     = %[2]d

[vip.web]
address = "198.18.0.1/32"
role    = "%[1]s"

[vip.web6]
address = "2001:db8:5a:1::1/64"
role    = "%[1]s"
%[4]s`, role, demoDCID, speaker, table)
}

// Demo shows a failover from the first line of configuration to the figures,
// on this machine, without root and without a trace. It starts this process's
// command line again in a sandbox; see Exited.
func Demo(ctx context.Context, out io.Writer, opts DemoOptions) error {
	if opts.Err == nil {
		opts.Err = os.Stderr
	}
	return inSandbox(ctx, out, opts.Err, func(ctx context.Context) error {
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		return demo(ctx, out, opts)
	})
}

func demo(ctx context.Context, out io.Writer, opts DemoOptions) (err error) {
	began := time.Now()
	o := Linode(demoDCID, 4)
	o.Name, o.Dir, o.RouteServers = "demo", filepath.Join(scratchDir, "demo"), opts.RouteServers
	l, err := New(o)
	if err != nil {
		return err
	}
	s := &scenario{lab: l, out: out, binary: opts.Binary, vips: demoVIPs, hosts: map[string]*Process{}, driven: map[string]*Speaker{}}
	defer s.end(&err)
	fmt.Fprintf(out, "Two hosts, a and b, share %s and %s.\n"+
		"Both announce them over BGP to four route servers; a router follows these, and a client\n"+
		"pings every %d ms. All of it runs in network namespaces that nothing else sees.\n", demoVIPs[0], demoVIPs[1], pace.Milliseconds())

	up, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := l.Up(up); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nNetwork and route servers (%s) are up after %d ms\n", l.opts.RouteServers, time.Since(began).Milliseconds())

	configs := map[string][]byte{}
	for i, host := range []string{HostA, HostB} {
		backend := cmp.Or(opts.Backends[i], GoBGP)
		daemon, err := l.StartSpeaker(up, host, backend)
		if err != nil {
			return err
		}
		if backend == FRR || backend == BIRD {
			s.driven[host] = daemon
		}
		configs[host] = demoConfig(demoRoles[host], backend, daemon.TOML)
		if err := s.writeConfig(host, configs[host]); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\nThe configuration of host a (b says \"secondary\"):\n")
	indent(out, configs[HostA])
	if err := s.walk(ctx, opts.Cut); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nDone in %.1f s; nothing is left behind.\n", time.Since(began).Seconds())
	return nil
}
