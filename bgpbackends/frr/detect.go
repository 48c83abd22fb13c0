package frr

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/stentor-net/stentor/plugins"
)

// Detect looks whether FRR is there and speaks BGP, and at what decides whether
// a session can come up. It changes nothing.
func (b *Backend) Detect(ctx context.Context) (plugins.Detection, error) {
	var d plugins.Detection
	signal := func(name, format string, args ...any) {
		d.Signals = append(d.Signals, plugins.Signal{Name: name, Value: fmt.Sprintf(format, args...)})
	}
	if _, err := os.Stat(b.settings.VTYSH); err != nil {
		d.Why = b.settings.VTYSH + " is not there; FRR is not installed"
		return d, nil
	}
	signal("vtysh", "%s", b.settings.VTYSH)
	for _, name := range watched {
		c, err := dial(ctx, b.settings.socket(name))
		switch {
		case err == nil:
			c.close()
			signal(name, "runs")
		case errors.Is(err, errDown):
			signal(name, "does not run")
		default:
			signal(name, "does not answer: %v", err)
		}
	}
	_, t, err := b.read(ctx)
	if err != nil {
		d.Why = "FRR is installed, but " + err.Error()
		return d, nil
	}
	signal("FRR version", "%s", t.version)
	d.Score, d.Why = 50, "bgpd runs, without BGP so far"
	if t.asn != 0 {
		d.Score, d.Why = 80, fmt.Sprintf("bgpd runs, and speaks BGP as AS %d", t.asn)
		signal("router bgp", "%d", t.asn)
	}
	for _, line := range []string{resolve4, resolve6} {
		switch {
		case t.globals[line]:
			signal(line, "yes")
		case t.globals["no "+line]:
			signal(line, "no: a peer that is reached by the default route stays idle; resolve_via_default = true sets it")
		default:
			signal(line, "not set: FRR before 9 keeps a peer idle that is reached by the default route; resolve_via_default = true sets it")
		}
	}
	return d, nil
}
