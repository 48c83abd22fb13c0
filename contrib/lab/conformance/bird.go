package conformance

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/stentor-net/stentor/plugins/plugintest"
)

const birdPath = "/usr/sbin/bird"

// birdOperator is what an operator has configured before Stentor comes: with
// the one line that the backend asks for.
const birdOperator = `router id 192.0.2.7;
log stderr all;
include "%s/*.conf";
protocol device { }
protocol static operator { ipv4; route 10.0.0.0/8 blackhole; }
`

func birdInclude(host place) string { return filepath.Join(host.dir, "bird", "include") }

func birdSettings(host place) map[string]any {
	return map[string]any{"socket": filepath.Join(host.dir, "bird", "ctl"), "include_dir": birdInclude(host)}
}

// newBIRD is a BIRD that includes a folder.
func newBIRD(host place) (plugintest.BGPDaemon, error) {
	d, err := newDaemon(host, "bird", map[string]string{
		"etc/bird.conf":         fmt.Sprintf(birdOperator, birdInclude(host)),
		"include/operator.conf": "define operator_as = 64500;\n",
	})
	if err != nil {
		return nil, err
	}
	d.processes = []*process{{
		argv:   []string{birdPath, "-f", "-c", d.in("etc/bird.conf"), "-s", d.in("ctl"), "-P", d.in("pid")},
		socket: d.in("ctl"),
	}}
	// It opens the socket before it reads its configuration.
	d.boot = func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, "birdc", "-s", d.in("ctl"), "show", "status").CombinedOutput()
		if err != nil {
			return fmt.Errorf("birdc show status: %w: %s", err, out)
		}
		return nil
	}
	d.config = func(context.Context) (string, error) { return contents(d.in("etc"), d.in("include")) }
	return d, nil
}
