package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stentor-net/stentor/contrib/lab/probe"
)

// pace is how often the client pings each shared address.
const pace = 10 * time.Millisecond

// How long each step may take. Traffic moves in some 10 ms when a host says
// goodbye or its kernel does, and after the Hold Time when nobody does.
const (
	startLimit = 30 * time.Second
	moveLimit  = 5 * time.Second
	cutLimit   = (hold + 5) * time.Second
)

// scenario is a walk through failover and failback with a line for each step.
type scenario struct {
	lab    *Lab
	out    io.Writer
	binary string // stentor
	vips   []netip.Addr
	hosts  map[string]*Process
	// driven are the hosts' own BGP daemons, which outlive Stentor; nil where
	// Stentor itself has the sessions.
	driven map[string]*Speaker
	probes []*probe.Probe
}

// hostArgs are the global flags that keep a host's instance in the lab's folder.
func (s *scenario) hostArgs(host string) []string {
	dir := filepath.Join(s.lab.Dir(), host)
	return []string{
		"--config", filepath.Join(dir, "stentor.toml"),
		"--socket", filepath.Join(dir, "stentor.sock"),
		"--state-dir", filepath.Join(dir, "state"),
	}
}

func (s *scenario) writeConfig(host string, toml []byte) error {
	dir := filepath.Join(s.lab.Dir(), host)
	if err := os.MkdirAll(filepath.Join(dir, "state"), 0o755); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "stentor.toml"), toml, 0o644); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

// run starts `stentor run` on a host.
func (s *scenario) run(host string) error {
	p, err := s.lab.Start(host, "stentor-"+host, append([]string{s.binary, "run"}, s.hostArgs(host)...))
	if err != nil {
		return err
	}
	s.hosts[host] = p
	return nil
}

// watch starts the client's pings.
func (s *scenario) watch() error {
	for _, vip := range s.vips {
		p, err := s.lab.Probe(Client, vip, pace)
		if err != nil {
			return err
		}
		s.probes = append(s.probes, p)
	}
	return nil
}

// announced waits until every route server has a route to every shared address
// from host.
func (s *scenario) announced(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for _, server := range s.lab.RouteServers() {
		err := poll(ctx, fmt.Sprintf("host %s's routes on %s", host, server), func() (bool, string) {
			missing, state := s.missing(ctx, host, server)
			return missing == 0, state
		})
		if err != nil {
			return s.explain(err, host)
		}
	}
	return nil
}

// missing counts the shared addresses that a route server has no route to from host.
func (s *scenario) missing(ctx context.Context, host, server string) (int, string) {
	routes, err := s.lab.Routes(ctx, server)
	if err != nil {
		return len(s.vips), err.Error()
	}
	missing := len(s.vips)
	for _, vip := range s.vips {
		for _, r := range routes {
			if r.Prefix.Contains(vip) && s.isFrom(host, r.From) {
				missing--
				break
			}
		}
	}
	return missing, fmt.Sprintf("it has %d routes, %d missing", len(routes), missing)
}

func (s *scenario) isFrom(host string, from netip.Addr) bool {
	for _, a := range s.lab.Addrs(host) {
		if a == from {
			return true
		}
	}
	return false
}

// step does x, waits until its host answers for every shared address, and says
// how long that took and what it cost.
func (s *scenario) step(ctx context.Context, x step) error {
	ctx, cancel := context.WithTimeout(ctx, x.limit)
	defer cancel()
	fmt.Fprintf(s.out, "\n%s\n", x.title)
	start := time.Now()
	if err := x.do(ctx); err != nil {
		return err
	}
	for _, p := range s.probes {
		if err := p.Wait(ctx, x.host); err != nil {
			return s.explain(err, x.host)
		}
	}
	// A little longer, so that what is still on its way counts too.
	if err := s.settle(ctx); err != nil {
		return err
	}
	for i, p := range s.probes {
		fmt.Fprintf(s.out, "  %-22s %s\n", s.vips[i], describe(p.Report(start), start, x.host))
	}
	return nil
}

func (s *scenario) settle(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(600 * time.Millisecond):
		return nil
	}
}

// describe is a step's outcome for one shared address.
func describe(r probe.Report, start time.Time, host string) string {
	moved := "answered by " + host
	if n := len(r.Switches); n > 0 {
		moved += fmt.Sprintf(" after %d ms", r.Switches[n-1].At.Sub(start).Milliseconds())
	}
	if r.Lost == 0 {
		return fmt.Sprintf("%s, none of %d pings lost", moved, r.Sent)
	}
	return fmt.Sprintf("%s, %d of %d pings lost, longest gap %d ms", moved, r.Lost, r.Sent, r.Longest().Milliseconds())
}

// explain adds what a person needs to see why a host does not serve.
func (s *scenario) explain(err error, host string) error {
	var why strings.Builder
	fmt.Fprintf(&why, "%v", err)
	if p := s.hosts[host]; p != nil {
		select {
		case <-p.Done():
			fmt.Fprintf(&why, "\nstentor on host %s has ended (%v)", host, p.err)
		default:
		}
		fmt.Fprintf(&why, "\nlog of stentor on host %s:\n%s", host, p.Tail(15))
	}
	for _, server := range s.lab.RouteServers() {
		sessions, e := s.lab.Sessions(context.Background(), server)
		if e != nil {
			fmt.Fprintf(&why, "\n%s: %v", server, e)
		}
		for _, x := range sessions {
			fmt.Fprintf(&why, "\n%s: %s is %s, %d UPDATEs, last error: %s", server, x.Peer, x.State, x.Updates, x.LastError)
		}
	}
	return errors.New(why.String())
}

// status prints the host's own `stentor status`.
func (s *scenario) status(ctx context.Context, host string) error {
	out, err := s.lab.Output(ctx, host, append([]string{s.binary, "status"}, s.hostArgs(host)...)...)
	if err != nil {
		return s.explain(err, host)
	}
	fmt.Fprintf(s.out, "\nstentor status on host %s\n", host)
	indent(s.out, out)
	return nil
}

func indent(out io.Writer, text []byte) {
	for line := range strings.Lines(string(text)) {
		fmt.Fprintf(out, "  | %s\n", strings.TrimSuffix(line, "\n"))
	}
}

// walk starts both hosts, and takes host a through what can happen to it.
func (s *scenario) walk(ctx context.Context, cut bool) error {
	if err := s.watch(); err != nil {
		return err
	}
	if err := s.run(HostB); err != nil {
		return err
	}
	if err := s.announced(ctx, HostB); err != nil {
		return err
	}
	for i, x := range s.steps(cut) {
		if err := s.step(ctx, x); err != nil {
			return err
		}
		if err := s.announced(ctx, x.host); err != nil {
			return err
		}
		if i == 0 {
			if err := s.status(ctx, HostA); err != nil {
				return err
			}
		}
	}
	return s.leave(ctx)
}

// step is one thing that happens to host a.
type step struct {
	title string
	host  string // who serves afterwards
	limit time.Duration
	do    func(context.Context) error
}

func (s *scenario) steps(cut bool) []step {
	start := func(context.Context) error { return s.run(HostA) }
	stop := func(ctx context.Context) error { return s.hosts[HostA].Stop(ctx) }
	kill := func(ctx context.Context) error { return s.hosts[HostA].Kill(ctx) }
	all := []step{
		{"Start stentor on a, the primary, beside b, which serves since it started", HostA, startLimit, start},
		{"Stop stentor on a (SIGTERM): it withdraws, b takes over", HostB, moveLimit, stop},
		{"Start stentor on a again: the primary takes its traffic back", HostA, startLimit, start},
	}
	if d := s.driven[HostA]; d == nil {
		all = append(all,
			step{"Kill stentor on a (SIGKILL): no goodbye, but its sessions die with it", HostB, moveLimit, kill},
			step{"Start stentor on a again", HostA, startLimit, start})
	} else {
		all = append(all,
			step{fmt.Sprintf("Kill stentor on a (SIGKILL): %s goes on announcing", d.kind), HostA, moveLimit, kill},
			step{"Start stentor on a again", HostA, startLimit, start},
			step{fmt.Sprintf("Kill %s on a: its sessions die with it", d.kind), HostB, moveLimit, d.Kill},
			step{fmt.Sprintf("Start %s on a again: stentor gives it the routes", d.kind), HostA, startLimit, d.Start})
	}
	if cut {
		all = append(all,
			step{fmt.Sprintf("Cut a off, silently: only the hold timer (%d s) tells the route servers", hold), HostB, cutLimit, func(context.Context) error { return s.lab.Cut(HostA) }},
			step{"Plug a in again", HostA, startLimit, func(context.Context) error { return s.lab.Heal(HostA) }})
	}
	return all
}

// leave stops the hosts in good order.
func (s *scenario) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, moveLimit)
	defer cancel()
	var all error
	for _, p := range s.hosts {
		all = errors.Join(all, p.Stop(ctx))
	}
	return all
}

// end takes the lab down; its error counts if there is no other one in *err.
func (s *scenario) end(err *error) {
	for _, p := range s.probes {
		p.Stop()
	}
	if down := s.lab.Down(); *err == nil {
		*err = down
	}
}
