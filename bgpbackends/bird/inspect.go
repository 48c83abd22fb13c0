package bird

import (
	"context"
	"errors"

	"github.com/stentor-net/stentor/bgpbackends/internal/refusals"
	"github.com/stentor-net/stentor/plugins"
)

// InspectSpeaker implements plugins.SpeakerInspector: a Plan knows what BIRD's
// configuration lacks, and whose files are in the way.
func (b *Backend) InspectSpeaker(ctx context.Context, want plugins.Speaker) ([]plugins.Finding, error) {
	_, err := b.Plan(ctx, want)
	if errors.Is(err, plugins.ErrUnavailable) {
		return nil, nil // Detect says so
	}
	return refusals.Findings("bird", errors.Join(err, b.reads(ctx))), nil
}

// reads tells why BIRD would not read our file.
func (b *Backend) reads(ctx context.Context) error {
	s, err := dial(ctx, b.socket)
	if err != nil {
		return nil // Detect says so
	}
	defer s.close()
	main, err := s.mainFile(ctx)
	if err != nil {
		return err
	}
	return b.included(main)
}
