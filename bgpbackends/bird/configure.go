package bird

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// configure sends a command that makes BIRD change its configuration, and
// waits until it has.
func (s *session) configure(ctx context.Context, command string) error {
	r, err := s.ask(ctx, command)
	switch {
	case err != nil:
		return err
	case r.has(codeShutdown):
		return fmt.Errorf("BIRD is shutting down: %w", plugins.ErrUnavailable)
	case !r.has(codeInProgress) && !r.has(codeQueued) && !r.has(codeUndoing) && !r.has(codeUndoQueued):
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reconfigureTime)
	defer cancel()
	for {
		r, err := s.ask(ctx, "configure status")
		if err != nil || r.has(codeReconfigured) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("BIRD is still at reconfiguring (%s): %w: %w", r.text(-1), ctx.Err(), plugins.ErrUnavailable)
		case <-time.After(pollEvery):
		}
	}
}

// mainFile asks BIRD which configuration it reads. BIRD reads it to answer: an
// operator's mistake in it shows here, before anything is changed.
func (s *session) mainFile(ctx context.Context) (string, error) {
	r, err := s.ask(ctx, "configure check")
	if refused(err) != 0 {
		return "", fmt.Errorf("the operator's own configuration of BIRD has a mistake, and stentor can't change anything until it is mended: %w: %w", err, plugins.ErrUnavailable)
	}
	if err != nil {
		return "", err
	}
	path, ok := strings.CutPrefix(r.text(codeReading), "Reading configuration from ")
	if !ok || !filepath.IsAbs(path) || strings.ContainsAny(path, "\"\n") {
		return "", fmt.Errorf("BIRD reads its configuration from %q: start it with an absolute path (bird -c): %w", path, plugins.ErrUnsupported)
	}
	return path, nil
}

// protocols asks for all of ours. That there are none is no error.
func (s *session) protocols(ctx context.Context) ([]protocol, error) {
	r, err := s.ask(ctx, fmt.Sprintf("show protocols all \"%s*\"", ours))
	if refused(err) == codeNoProtocol {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseProtocols(r), nil
}
