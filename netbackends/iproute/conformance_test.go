package iproute

import (
	"log/slog"
	"testing"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/nstest"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

func TestConformance(t *testing.T) {
	ns := nstest.New(t)
	plugintest.TestNet(t, plugintest.Net{
		Open:   func() (plugins.NetBackend, error) { return New(slog.New(slog.DiscardHandler), &detect.Glance{}), nil },
		Inside: ns.Do,
	})
}
