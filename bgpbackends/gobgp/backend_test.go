package gobgp

import (
	"errors"
	"log/slog"
	"runtime/debug"
	"testing"

	"github.com/stentor-net/stentor/plugins"
)

func TestInfo(t *testing.T) {
	b := New(slog.New(slog.DiscardHandler))
	info := b.Info()
	if info.Name != "gobgp" || info.Kind != plugins.KindBGP || info.API != plugins.APIVersion {
		t.Errorf("%+v", info)
	}
	if info.Has(plugins.CapOutlivesDaemon) {
		t.Errorf("claims %s", plugins.CapOutlivesDaemon)
	}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("no build info")
	}
	for _, dep := range build.Deps {
		if dep.Path == "github.com/osrg/gobgp/v3" && dep.Version != "v"+info.Version {
			t.Errorf("embeds %s, says %s", dep.Version, info.Version)
		}
	}
	if d, err := b.Detect(t.Context()); err != nil || d.Score != 10 {
		t.Errorf("Detect: %+v, %v", d, err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close of an unused backend: %v", err)
	}
}

func TestConfigureTakesNothing(t *testing.T) {
	b := New(slog.New(slog.DiscardHandler))
	if err := b.Configure(t.Context(), plugins.Config{}); err != nil {
		t.Error(err)
	}
	var bad *plugins.ConfigError
	err := b.Configure(t.Context(), plugins.Config{Settings: map[string]any{"listen": true}})
	if !errors.As(err, &bad) || bad.Key != "listen" {
		t.Errorf("Configure with a key: %v", err)
	}
}
