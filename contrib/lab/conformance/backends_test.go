package conformance

import (
	"log/slog"
	"os/exec"
	"slices"
	"testing"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// TestEveryBuiltin: no backend is built in and left out here.
func TestEveryBuiltin(t *testing.T) {
	for _, b := range bgpbackends.Builtin(slog.New(slog.DiscardHandler)) {
		name := b.Info().Name
		if !slices.ContainsFunc(backends, func(d driven) bool { return d.name == name }) {
			t.Errorf("backend %s is not in the list that the suite runs on", name)
		}
	}
}

func TestBackends(t *testing.T) {
	for _, d := range backends {
		t.Run(d.name, func(t *testing.T) {
			for _, program := range d.needs {
				if _, err := exec.LookPath(program); err != nil {
					t.Skipf("needs %s: %v", program, err)
				}
			}
			plugintest.TestBGP(t, d.under())
		})
	}
}
