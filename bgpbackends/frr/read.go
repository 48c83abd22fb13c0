package frr

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

const (
	// bgpdName is the daemon without which there is nothing to do.
	bgpdName = "bgpd"
	// watchName restarts the others where they are a service of systemd's. It
	// has no configuration, and is not asked for one by vtysh either
	// (VTYSH_ALL in FRR's vtysh.h).
	watchName = "watchfrr"
)

// read tells ours from theirs in what FRR has now. It asks each daemon for its
// part, as vtysh does for `show running-config`, but keeps the parts apart:
// several daemons hold the route-maps, and after a restart of bgpd alone those
// of ours are still to be seen, in the others.
func (b *Backend) read(ctx context.Context) (piece, theirs, error) {
	bgpd, err := b.part(ctx, bgpdName)
	if err != nil {
		return piece{}, theirs{}, err
	}
	have, t := split(bgpd)
	t.daemons[bgpdName] = true
	sockets, err := filepath.Glob(b.settings.socket("*"))
	if err != nil {
		return piece{}, theirs{}, err
	}
	for _, s := range sockets {
		name := strings.TrimSuffix(filepath.Base(s), ".vty")
		if name == bgpdName || name == watchName {
			continue
		}
		c, err := b.part(ctx, name)
		if errors.Is(err, errDown) || errors.Is(err, errRefused) {
			continue // it left its socket behind, or has no configuration
		}
		if err != nil {
			return piece{}, theirs{}, err
		}
		t.daemons[name] = true
		have.addOthers(c, &t)
	}
	have.globals, err = b.ourGlobals(ctx, t)
	return have, t, err
}

// part is what one daemon has.
func (b *Backend) part(ctx context.Context, name string) (*config, error) {
	d, err := b.dial(ctx, name)
	if err != nil {
		return nil, err
	}
	defer d.close()
	answer, err := d.run(ctx, "show running-config")
	if err != nil {
		return nil, fmt.Errorf("%s: %w (%w)", name, err, plugins.ErrUnavailable)
	}
	c, err := parseConfig(string(answer))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}
