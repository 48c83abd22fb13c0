package example

import (
	"path/filepath"
	"testing"

	"github.com/stentor-net/stentor/plugins/plugintest"
)

// TestBootscript: the whole network suite over the wire.
func TestBootscript(t *testing.T) {
	under, etc := underNet(t, goPlugin(t, "bootscript")), t.TempDir()
	under.Dirs = []string{etc}
	under.Settings = map[string]any{"script": filepath.Join(etc, "stentor.start")}
	plugintest.TestNet(t, under)
}

// TestIPBatch: the same for the example in Python.
func TestIPBatch(t *testing.T) {
	under, etc := underNet(t, pythonPlugin(t, "ipbatch")), t.TempDir()
	under.Dirs = []string{etc}
	under.Settings = map[string]any{"file": filepath.Join(etc, "addresses.batch")}
	plugintest.TestNet(t, under)
}
