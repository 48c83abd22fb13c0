package lab

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"text/template"
	"time"
)

//go:embed templates
var templates embed.FS

// daemonConfig is what the templates of FRR and BIRD are filled from: one
// route server, or the router.
type daemonConfig struct {
	Name            string // of the node, and of the folder with its files
	ASN             uint32
	ID              netip.Addr
	Hold, Keepalive int // seconds
	Linode          bool
	Families        map[string]string // FRR's name of each, and its prefix list's
	Router          netip.Addr        // the router's address in the core

	// Of a route server.
	Addr, Core  netip.Addr // for the hosts, and for the router
	Hosts       []netip.Addr
	HostASN     uint32
	Password    string
	TTLSecurity int
	Helper      bool // keeps the routes of a host that restarts (RFC 4724)

	// Of a host's own daemon, which has a folder of its own.
	Host    string
	Include string // where others may put files

	// Of the router: the route servers' addresses in the core.
	Servers []netip.Addr
}

func (l *Lab) daemonConfig(name string) daemonConfig {
	return daemonConfig{
		Name: name, ASN: l.opts.Peers[0].ASN, ID: routerID(253),
		Hold: hold, Keepalive: hold / 3,
		Linode:   l.opts.Policy == PolicyLinode,
		Families: map[string]string{"ipv4": "IPV4", "ipv6": "IPV6"},
		Router:   coreGW.Addr(),
	}
}

func (l *Lab) routerConfig() daemonConfig {
	c := l.daemonConfig(Router)
	for i := range l.opts.Peers {
		c.Servers = append(c.Servers, coreAddr(i))
	}
	return c
}

func (l *Lab) serverConfig(i int) daemonConfig {
	peer, c := l.opts.Peers[i], l.daemonConfig(rsName(i))
	c.ID, c.Addr, c.Core = routerID(i), peer.Addr, coreAddr(i)
	c.Hosts, c.HostASN = l.hostsOf(peer.Addr), l.opts.HostASN
	c.Password, c.TTLSecurity, c.Helper = peer.Password, peer.TTLSecurity, peer.GracefulRestart > 0
	return c
}

// render fills a template.
func render(name string, c daemonConfig) ([]byte, error) {
	t, err := template.ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, c); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// writeRendered renders a template into the node's own folder.
func (l *Lab) writeRendered(templateName string, c daemonConfig, file string) (path string, err error) {
	text, err := render(templateName, c)
	if err != nil {
		return "", fmt.Errorf("lab: %w", err)
	}
	path = filepath.Join(l.nodeDir(c.Name), file)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return "", fmt.Errorf("lab: %w", err)
	}
	return path, nil
}

// node is where the daemon runs.
func (c daemonConfig) node() string {
	if c.Host != "" {
		return c.Host
	}
	return c.Name
}

func (l *Lab) nodeDir(node string) string { return filepath.Join(l.opts.Dir, node) }

// daemons are the running processes of each node, in the order of their start.
type daemons struct {
	mu      sync.Mutex
	running map[string][]*Process
	cleanUp func(*Process) // after the end of each; may be nil
}

func (d *daemons) add(p *Process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running[p.Node] = append(d.running[p.Node], p)
}

// end ends the processes of a node, the last one first; those that do not stop
// in good order until ctx ends are killed.
func (d *daemons) end(ctx context.Context, node string, kill bool) error {
	d.mu.Lock()
	running := d.running[node]
	delete(d.running, node)
	d.mu.Unlock()
	var all error
	for _, p := range slices.Backward(running) {
		var err error
		if !kill {
			err = p.Stop(ctx)
		}
		all = errors.Join(all, err, p.Kill(context.WithoutCancel(ctx)))
		if d.cleanUp != nil {
			d.cleanUp(p)
		}
	}
	return all
}

// close ends all of them.
func (d *daemons) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	d.mu.Lock()
	nodes := slices.Collect(maps.Keys(d.running))
	d.mu.Unlock()
	var ending sync.WaitGroup
	for _, node := range nodes {
		// An error is a daemon that ended in another way than it should; it
		// has ended all the same, and nobody asks for more of it now.
		ending.Go(func() { _ = d.end(ctx, node, false) })
	}
	ending.Wait()
}

// await polls until f is done, and gives up when a daemon of any node has ended.
func (d *daemons) await(ctx context.Context, what string, f func() (done bool, state string)) error {
	var died error
	err := poll(ctx, what, func() (bool, string) {
		if died = d.ended(); died != nil {
			return true, ""
		}
		return f()
	})
	return errors.Join(died, err)
}

// ended says which daemon has ended, if one has.
func (d *daemons) ended() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for node, running := range d.running {
		for _, p := range running {
			select {
			case <-p.Done():
				return fmt.Errorf("lab: %s on %s has ended; its log ends with:\n%s", p.Name, node, p.Tail(10))
			default:
			}
		}
	}
	return nil
}
