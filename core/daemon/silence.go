package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/plugins"
)

// silenceTime bounds Silence: a speaker that hangs must not hold up the rest.
const silenceTime = 10 * time.Second

// Silence withdraws every route of speakers that have outlived their daemon,
// before somebody else takes addresses off the host. The next daemon announces
// what is left.
func Silence(ctx context.Context, stateDir string, r *registry.Registry, cfg *config.Config) error {
	record, err := readOutliving(stateDir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, silenceTime)
	defer cancel()
	var errs []error
	for _, name := range record.Names {
		b, err := r.OpenBGP(ctx, name, cfg.Backends)
		if err == nil {
			err = errors.Join(b.Apply(ctx, plugins.Speaker{}), b.Close())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("BGP backend %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
