package live

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stentor-net/stentor/netbackends/internal/nstest"
	"github.com/stentor-net/stentor/plugins"
)

// newHost is a Host as after a start of the daemon.
func newHost(t *testing.T, dir string) *Host {
	t.Helper()
	h, err := New(slog.New(slog.DiscardHandler), dir)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// apply goes the whole way for want.
func apply(h *Host, kept []plugins.VIP, want ...plugins.VIP) error {
	ctx := context.Background()
	s, err := h.Look(ctx, kept)
	if err != nil {
		return err
	}
	defer s.Close()
	c, err := s.Diff(want)
	if err != nil {
		return err
	}
	return h.CarryOut(ctx, s, c, nil)
}

func inside(t *testing.T, setup string, f func()) {
	t.Helper()
	ns := nstest.New(t)
	ns.IP(setup)
	ns.Do(f)
}
