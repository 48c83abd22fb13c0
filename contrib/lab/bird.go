package lab

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stentor-net/stentor/contrib/lab/rs"
	"github.com/stentor-net/stentor/plugins"
)

const birdPath = "/usr/sbin/bird"

// bird runs one BIRD on each route server and on the router.
type bird struct {
	lab *Lab
	daemons
}

func newBIRD(l *Lab) (*bird, error) {
	return &bird{lab: l, daemons: daemons{running: map[string][]*Process{}}}, nil
}

func (b *bird) startRouter(context.Context) error {
	return b.run(b.lab.routerConfig(), "bird-router.conf.tmpl")
}

func (b *bird) start(_ context.Context, i int) error {
	return b.run(b.lab.serverConfig(i), "bird-rs.conf.tmpl")
}

func (b *bird) run(c daemonConfig, template string) error {
	dir := b.lab.nodeDir(c.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	conf, err := b.lab.writeRendered(template, c, "bird.conf")
	if err != nil {
		return err
	}
	p, err := b.lab.Start(c.node(), c.Name+"-bird", []string{birdPath, "-f", "-c", conf, "-s", b.socket(c.Name), "-P", filepath.Join(dir, "bird.pid")})
	if err != nil {
		return err
	}
	b.add(p)
	return nil
}

func (b *bird) socket(node string) string { return filepath.Join(b.lab.nodeDir(node), "bird.ctl") }

func (b *bird) stop(ctx context.Context, i int, kill bool) error {
	return b.end(ctx, rsName(i), kill)
}

// show sends one command to a node's BIRD, and gives the lines of the answer
// without their codes ("BIRD's control protocol" in its programmer's manual).
func (b *bird) show(ctx context.Context, node, command string) ([]string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", b.socket(node))
	if err != nil {
		return nil, fmt.Errorf("lab: BIRD on %s: %w", node, err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	lines := bufio.NewScanner(conn)
	if _, err := birdAnswer(lines); err != nil { // the greeting
		return nil, fmt.Errorf("lab: BIRD on %s: %w", node, err)
	}
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return nil, fmt.Errorf("lab: BIRD on %s: %w", node, err)
	}
	answer, err := birdAnswer(lines)
	if err != nil {
		return nil, fmt.Errorf("lab: BIRD on %s: %s: %w", node, command, err)
	}
	return answer, nil
}

// birdAnswer reads up to the line whose code a space follows; a code of 8 or 9
// thousand is an error.
func birdAnswer(lines *bufio.Scanner) ([]string, error) {
	var out []string
	for lines.Scan() {
		line := lines.Text()
		if len(line) < 5 || line[0] == ' ' {
			out = append(out, strings.TrimPrefix(line, " "))
			continue
		}
		out = append(out, line[5:])
		if line[4] != ' ' {
			continue
		}
		if line[0] == '8' || line[0] == '9' {
			return nil, fmt.Errorf("%s", line)
		}
		return out, nil
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("control socket closed in the middle of an answer")
}

func (b *bird) ready(ctx context.Context) error {
	return b.await(ctx, "the router's sessions with the route servers", func() (bool, string) {
		lines, err := b.show(ctx, Router, "show protocols")
		if err != nil {
			return false, err.Error()
		}
		up := strings.Count(strings.Join(lines, "\n"), "Established")
		return up == len(b.lab.opts.Peers), fmt.Sprintf("%d of %d are established", up, len(b.lab.opts.Peers))
	})
}

func (b *bird) sessions(ctx context.Context, i int) ([]rs.Session, error) {
	var out []rs.Session
	for n, host := range b.lab.hostsOf(b.lab.opts.Peers[i].Addr) {
		lines, err := b.show(ctx, rsName(i), fmt.Sprintf("show protocols all host%d", n))
		if err != nil {
			return nil, err
		}
		out = append(out, birdSession(host, lines))
	}
	return out, nil
}

// birdSession reads `show protocols all` of one neighbor. BIRD does not count
// the sessions, nor the UPDATE messages; Updates are the routes imported so far.
func birdSession(host netip.Addr, lines []string) rs.Session {
	s := rs.Session{Peer: host}
	for _, line := range lines {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "BGP state":
			s.State = plugins.SessionState(strings.ToLower(value))
		case "Last error":
			s.LastError = value
		case "Import updates":
			var received int
			if _, err := fmt.Sscan(value, &received); err == nil {
				s.Updates += received
			}
		}
	}
	if s.State == plugins.StateEstablished {
		s.Established = 1
	}
	return s
}

func (b *bird) routes(ctx context.Context, i int) ([]rs.Route, error) {
	var out []rs.Route
	for n, host := range b.lab.hostsOf(b.lab.opts.Peers[i].Addr) {
		lines, err := b.show(ctx, rsName(i), fmt.Sprintf("show route all protocol host%d", n))
		if err != nil {
			return nil, err
		}
		routes, err := birdRoutes(host, lines)
		if err != nil {
			return nil, fmt.Errorf("lab: BIRD on %s: %w", rsName(i), err)
		}
		out = append(out, routes...)
	}
	sortRoutes(out)
	return out, nil
}

// birdRoutes reads `show route all` of one neighbor: a line with prefix and
// protocol begins a route, and its attributes follow. A best route has a star.
func birdRoutes(from netip.Addr, lines []string) ([]rs.Route, error) {
	var out []rs.Route
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if strings.Contains(line, "unicast [") {
			prefix, err := netip.ParsePrefix(fields[0])
			if err != nil {
				return nil, fmt.Errorf("route %q: %w", line, err)
			}
			out = append(out, rs.Route{Prefix: prefix, From: from, Best: strings.Contains(line, "] * ")})
			continue
		}
		if len(out) == 0 {
			continue
		}
		if err := birdAttribute(&out[len(out)-1], fields); err != nil {
			return nil, fmt.Errorf("attribute %q: %w", line, err)
		}
	}
	return out, nil
}

func birdAttribute(r *rs.Route, fields []string) (err error) {
	values := fields[1:]
	switch fields[0] {
	case "BGP.next_hop:":
		if len(values) > 0 {
			r.NextHop, err = netip.ParseAddr(values[0])
		}
	case "BGP.local_pref:":
		_, err = fmt.Sscan(strings.Join(values, " "), &r.LocalPref)
	case "BGP.med:":
		_, err = fmt.Sscan(strings.Join(values, " "), &r.MED)
	case "BGP.as_path:":
		for _, v := range values {
			var asn uint32
			if _, err = fmt.Sscan(v, &asn); err != nil {
				return err
			}
			r.ASPath = append(r.ASPath, asn)
		}
	case "BGP.community:":
		for _, v := range values {
			c, err := plugins.ParseCommunity(strings.ReplaceAll(strings.Trim(v, "()"), ",", ":"))
			if err != nil {
				return err
			}
			r.Communities = append(r.Communities, c)
		}
	}
	return err
}
