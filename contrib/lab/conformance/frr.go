package conformance

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/stentor-net/stentor/plugins/plugintest"
)

const (
	frrDir = "/usr/lib/frr/"
	vtysh  = "/usr/bin/vtysh"
)

// frrOperator is what an operator has configured before Stentor comes.
const frrOperator = `hostname operator
ip prefix-list operator seq 5 permit 10.0.0.0/8
!
route-map operator permit 10
 match ip address prefix-list operator
!
`

func frrSettings(host place) map[string]any {
	// The route servers of package lab are reached by the default route.
	return map[string]any{"vty_socket": filepath.Join(host.dir, "frr"), "resolve_via_default": true}
}

// newFRR is FRR as its own service starts it: the daemons without any
// configuration, which vtysh then gives them.
func newFRR(operator string) func(place) (plugintest.BGPDaemon, error) {
	return func(host place) (plugintest.BGPDaemon, error) {
		frr, err := user.Lookup("frr")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.Atoi(frr.Uid) // a number on every Unix
		gid, _ := strconv.Atoi(frr.Gid)
		d, err := newDaemon(host, "frr", map[string]string{"frr.conf": operator, "vtysh.conf": "", "empty.conf": ""})
		if err != nil {
			return nil, err
		}
		if err := os.Chown(d.dir, uid, gid); err != nil {
			return nil, err
		}
		for _, name := range []string{"zebra", "staticd", "bfdd", "bgpd"} {
			d.processes = append(d.processes, &process{
				argv: []string{frrDir + name, "-f", d.in("empty.conf"), "-i", d.in(name + ".pid"), "-z", d.in("zserv.api"),
					"--vty_socket", d.dir, "-A", "127.0.0.1", "-P", "0", "--log", "stdout"},
				socket: d.in(name + ".vty"),
			})
		}
		run := func(ctx context.Context, args ...string) (string, error) {
			out, err := exec.CommandContext(ctx, vtysh, append([]string{"--vty_socket", d.dir, "--config_dir", d.dir}, args...)...).CombinedOutput()
			if err != nil {
				return "", fmt.Errorf("vtysh %v: %w: %s", args, err, out)
			}
			return string(out), nil
		}
		d.boot = func(ctx context.Context) error {
			_, err := run(ctx, "-b")
			return err
		}
		d.config = func(ctx context.Context) (string, error) { return run(ctx, "-c", "show running-config") }
		return d, nil
	}
}
