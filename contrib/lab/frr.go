package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stentor-net/stentor/contrib/lab/rs"
	"github.com/stentor-net/stentor/plugins"
)

const (
	zebraPath   = "/usr/lib/frr/zebra"
	bgpdPath    = "/usr/lib/frr/bgpd"
	staticdPath = "/usr/lib/frr/staticd"
	vtyshPath   = "/usr/bin/vtysh"
)

// frr runs a zebra and a bgpd on each route server and on the router. Every
// path is given on the command line, so nothing of the machine's own FRR is touched.
type frr struct {
	lab *Lab
	daemons
	uid, gid int // of user frr, whose the daemons become
}

func newFRR(l *Lab) (*frr, error) {
	u, err := user.Lookup("frr")
	if err != nil {
		return nil, fmt.Errorf("lab: FRR's own user: %w", err)
	}
	f := &frr{lab: l, daemons: daemons{running: map[string][]*Process{}, cleanUp: removeCrashDir}}
	if f.uid, err = strconv.Atoi(u.Uid); err == nil {
		f.gid, err = strconv.Atoi(u.Gid)
	}
	if err != nil {
		return nil, fmt.Errorf("lab: FRR's own user: %w", err)
	}
	for dir := l.opts.Dir; dir != "/"; dir = filepath.Dir(dir) {
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm()&0o001 == 0 {
			return nil, fmt.Errorf("lab: folder %s: FRR runs as user frr, which can't enter %s; choose a folder below another one", l.opts.Dir, dir)
		}
	}
	return f, nil
}

// removeCrashDir removes the folder that libfrr makes for a backtrace of the
// process, and leaves behind.
func removeCrashDir(p *Process) {
	os.RemoveAll(fmt.Sprintf("/var/tmp/frr/%s.%d", filepath.Base(p.cmd.Path), p.Pid()))
}

func (f *frr) startRouter(ctx context.Context) error {
	return f.run(ctx, f.lab.routerConfig(), "frr-router.conf.tmpl")
}

func (f *frr) start(ctx context.Context, i int) error {
	return f.run(ctx, f.lab.serverConfig(i), "frr-rs.conf.tmpl")
}

// frrDaemon is one daemon of FRR, and the socket whose presence says that it
// answers.
type frrDaemon struct {
	name, path, template, socket string
	args                         []string
}

// zebra replaces IPv6 routes in one step, as it does IPv4 ones: by default it
// deletes the old one first, and a packet in between has no way (zebra(8)).
func zebra() frrDaemon {
	return frrDaemon{"zebra", zebraPath, "frr-zebra.conf.tmpl", "zserv.api", []string{"--v6-rr-semantics"}}
}

func bgpd(template string) frrDaemon {
	return frrDaemon{"bgpd", bgpdPath, template, "bgpd.vty", nil}
}

func (f *frr) run(ctx context.Context, c daemonConfig, bgpdTemplate string) error {
	return f.launch(ctx, c, zebra(), bgpd(bgpdTemplate))
}

// launch starts daemons on the node of c, in that order.
func (f *frr) launch(ctx context.Context, c daemonConfig, all ...frrDaemon) error {
	dir := f.lab.nodeDir(c.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	if err := os.Chown(dir, f.uid, f.gid); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	for _, d := range all {
		conf, err := f.lab.writeRendered(d.template, c, d.name+".conf")
		if err != nil {
			return err
		}
		in := func(name string) string { return filepath.Join(dir, name) }
		if err := os.Remove(in(d.socket)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("lab: %w", err) // of a daemon that was killed
		}
		args := []string{d.path, "-f", conf, "-i", in(d.name + ".pid"),
			"-z", in("zserv.api"), "--vty_socket", dir, "-A", "127.0.0.1", "-P", "0", "--log", "stdout"}
		p, err := f.lab.Start(c.node(), c.Name+"-"+d.name, append(args, d.args...))
		if err != nil {
			return err
		}
		f.add(p)
		err = f.await(ctx, in(d.socket), func() (bool, string) {
			_, err := os.Stat(in(d.socket))
			return err == nil, "the daemon does not open it"
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *frr) stop(ctx context.Context, i int, kill bool) error {
	return f.end(ctx, rsName(i), kill)
}

// show runs a command that answers in JSON.
func (f *frr) show(ctx context.Context, node, command string, into any) error {
	cmd := exec.CommandContext(ctx, vtyshPath, "--vty_socket", f.lab.nodeDir(node), "-d", "bgpd", "-c", command+" json")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("lab: FRR on %s: %s: %w: %s", node, command, err, strings.TrimSpace(string(out)))
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("lab: FRR on %s: answer to %q: %w", node, command, err)
	}
	return nil
}

// frrNeighbor is a neighbor in `show bgp neighbors json`.
type frrNeighbor struct {
	State        string `json:"bgpState"`
	UpMsec       int64  `json:"bgpTimerUpMsec"`
	Established  int    `json:"connectionsEstablished"`
	LastReset    string `json:"lastResetDueTo"`
	MessageStats struct {
		Updates int `json:"updatesRecv"`
	} `json:"messageStats"`
}

func (f *frr) neighbors(ctx context.Context, node string) (map[netip.Addr]frrNeighbor, error) {
	var all map[string]json.RawMessage
	if err := f.show(ctx, node, "show bgp neighbors", &all); err != nil {
		return nil, err
	}
	out := map[netip.Addr]frrNeighbor{}
	for key, raw := range all {
		addr, err := netip.ParseAddr(key)
		if err != nil {
			continue // the VRF's own name and number stand beside the neighbors
		}
		var n frrNeighbor
		if err := json.Unmarshal(raw, &n); err != nil {
			return nil, fmt.Errorf("lab: FRR on %s: neighbor %s: %w", node, addr, err)
		}
		out[addr] = n
	}
	return out, nil
}

func (f *frr) ready(ctx context.Context) error {
	return f.await(ctx, "the router's sessions with the route servers", func() (bool, string) {
		neighbors, err := f.neighbors(ctx, Router)
		if err != nil {
			return false, err.Error()
		}
		up := 0
		for _, n := range neighbors {
			if n.State == "Established" {
				up++
			}
		}
		return up == len(f.lab.opts.Peers), fmt.Sprintf("%d of %d are established", up, len(f.lab.opts.Peers))
	})
}

func (f *frr) sessions(ctx context.Context, i int) ([]rs.Session, error) {
	neighbors, err := f.neighbors(ctx, rsName(i))
	if err != nil {
		return nil, err
	}
	var out []rs.Session
	for _, host := range f.lab.hostsOf(f.lab.opts.Peers[i].Addr) {
		n := neighbors[host]
		s := rs.Session{Peer: host, State: plugins.SessionState(strings.ToLower(n.State)), Established: n.Established, Updates: n.MessageStats.Updates, LastError: n.LastReset}
		if s.State == plugins.StateEstablished {
			s.Since = time.Now().Add(-time.Duration(n.UpMsec) * time.Millisecond)
		}
		out = append(out, s)
	}
	return out, nil
}

// frrPath is a path in `show bgp FAMILY unicast PREFIX json`.
type frrPath struct {
	ASPath struct {
		Segments []struct {
			List []uint32 `json:"list"`
		} `json:"segments"`
	} `json:"aspath"`
	LocalPref uint32 `json:"locPrf"`
	MED       uint32 `json:"metric"`
	Best      struct {
		Overall bool `json:"overall"`
	} `json:"bestpath"`
	Community struct {
		String string `json:"string"`
	} `json:"community"`
	NextHops []struct {
		IP    netip.Addr `json:"ip"`
		Scope string     `json:"scope"`
	} `json:"nexthops"`
	Peer struct {
		ID netip.Addr `json:"peerId"`
	} `json:"peer"`
}

func (f *frr) routes(ctx context.Context, i int) ([]rs.Route, error) {
	node := rsName(i)
	var out []rs.Route
	for _, family := range []string{"ipv4", "ipv6"} {
		var table struct {
			Routes map[netip.Prefix]json.RawMessage `json:"routes"`
		}
		if err := f.show(ctx, node, "show bgp "+family+" unicast", &table); err != nil {
			return nil, err
		}
		for prefix := range table.Routes {
			var detail struct{ Paths []frrPath }
			if err := f.show(ctx, node, fmt.Sprintf("show bgp %s unicast %s", family, prefix), &detail); err != nil {
				return nil, err
			}
			for _, p := range detail.Paths {
				r, err := p.route(prefix)
				if err != nil {
					return nil, fmt.Errorf("lab: FRR on %s: %s: %w", node, prefix, err)
				}
				out = append(out, r)
			}
		}
	}
	sortRoutes(out)
	return out, nil
}

func (p frrPath) route(prefix netip.Prefix) (rs.Route, error) {
	r := rs.Route{Prefix: prefix, From: p.Peer.ID, LocalPref: p.LocalPref, MED: p.MED, Best: p.Best.Overall}
	for _, s := range p.ASPath.Segments {
		r.ASPath = append(r.ASPath, s.List...)
	}
	for _, n := range p.NextHops {
		if n.Scope != "link-local" {
			r.NextHop = n.IP
		}
	}
	for _, word := range strings.Fields(p.Community.String) {
		c, err := parseCommunity(word)
		if err != nil {
			return rs.Route{}, err
		}
		r.Communities = append(r.Communities, c)
	}
	return r, nil
}

// parseCommunity knows the names that FRR prints for well-known communities.
func parseCommunity(word string) (plugins.Community, error) {
	switch word {
	case "graceful-shutdown":
		return plugins.GracefulShutdown, nil
	case "no-export":
		return plugins.Community(0xffffff01), nil
	case "no-advertise":
		return plugins.Community(0xffffff02), nil
	}
	return plugins.ParseCommunity(word)
}
