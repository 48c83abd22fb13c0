package frr

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stentor-net/stentor/plugins"
)

// execute gives FRR a script, up to the first line that is refused: FRR has no
// transactions.
//
// bgpd's lines go to its own socket. To start vtysh costs more than all the rest
// of a change of role or a withdrawal, its arguments are seen by all, and it
// does not stop at an error in a file.
func (b *Backend) execute(ctx context.Context, s script) error {
	for len(s) > 0 {
		end := slices.IndexFunc(s, func(l line) bool { return l.shared != s[0].shared })
		if end < 0 {
			end = len(s)
		}
		give := b.configure
		if s[0].shared {
			give = b.vtysh.execute
		}
		if err := give(ctx, s[:end]); err != nil {
			return err
		}
		s = s[end:]
	}
	return nil
}

// configure gives bgpd its lines.
func (b *Backend) configure(ctx context.Context, s script) error {
	d, err := b.dial(ctx, bgpdName)
	if err != nil {
		return err
	}
	defer d.close()
	for _, l := range append([]string{"configure terminal"}, s.lines()...) {
		said, err := d.run(ctx, l)
		switch {
		case errors.Is(err, errRefused):
			return err
		case err != nil:
			return fmt.Errorf("bgpd does not answer: %w (%w)", err, plugins.ErrUnavailable)
		case complaint().Match(said): // with the code of success at times
			return fmt.Errorf("%w %q: %s", errRefused, mask(l), mask(string(said)))
		}
	}
	return nil
}
