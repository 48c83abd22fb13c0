package conformance

import (
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// allEnv, set to "all", has the whole suite run in each of the ways.
const allEnv = "STENTOR_TEST_CONFORMANCE"

// overTheWire are the cases where a process makes a difference; the others are
// run directly alone, if not all are asked for.
var overTheWire = []string{"bgp-unknown-setting", "apply-settles", "stop", "watch-sessions", "bgp-ended-context", "bgp-cut-off", "many", "killed", "graceful-restart-killed", "opens-no-port", "close-keeps", "daemon-restarted"}

// TestEveryBuiltin: no backend is built in and left out here.
func TestEveryBuiltin(t *testing.T) {
	for _, b := range bgpbackends.Builtin(slog.New(slog.DiscardHandler)) {
		name := b.Info().Name
		if !slices.ContainsFunc(backends, func(d driven) bool { return d.name == name }) {
			t.Errorf("backend %s is not in the list that the suite runs on", name)
		}
	}
}

// TestBackends holds each backend to its promises as core may run it: in the
// same process, in one of its own, and as a plugin.
func TestBackends(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	for _, d := range backends {
		t.Run(d.name, func(t *testing.T) {
			if missing := d.missing(); missing != "" {
				t.Skip("needs " + missing)
			}
			t.Run("direct", func(t *testing.T) {
				if d.daemon == nil {
					testHere(t, d)
				} else {
					plugintest.TestBGP(t, d.inThisProcess())
				}
			})
			t.Run("isolated", func(t *testing.T) {
				p, err := isolated(d.name)
				if err != nil {
					t.Fatal(err)
				}
				testApart(t, d, p, host.Options{}, nil)
			})
			t.Run("plugin", func(t *testing.T) {
				o := host.Options{Dirs: []string{pluginDir(t, d.name)}}
				p, err := host.Find(o, d.name)
				if err != nil {
					t.Fatal(err)
				}
				testApart(t, d, p, o, &p.Manifest)
			})
		})
	}
}

// inThisProcess leaves out the cases that kill the backend's process, which are
// run where it has one of its own.
func (d driven) inThisProcess() plugintest.BGP {
	under := d.under()
	under.Cases = slices.DeleteFunc(under.Names(), func(name string) bool { return name == "killed" || name == "graceful-restart-killed" })
	return under
}

// testApart runs the suite on a backend that has a process of its own.
func testApart(t *testing.T, d driven, p host.Program, o host.Options, m *plugins.Manifest) {
	under := d.apart(p, o)
	var err error
	if under.Program, err = programOf(p); err != nil {
		t.Fatal(err)
	}
	if m != nil {
		under.Program.Path, under.Program.Manifest = p.Path, m
	}
	if os.Getenv(allEnv) != "all" {
		under.Cases = slices.DeleteFunc(under.Names(), func(name string) bool {
			return !slices.Contains(overTheWire, name) && !strings.HasPrefix(name, "program-")
		})
		for name := range under.Except {
			if !slices.Contains(under.Cases, name) {
				under.Except = nil
			}
		}
	}
	plugintest.TestBGP(t, under)
}

// program is the one that is each backend's plugin, by its name. It is built once.
var program = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "backend")
	if out, err := exec.Command("go", "build", "-o", path, "./testdata/backend").CombinedOutput(); err != nil {
		return out, err
	}
	return os.ReadFile(path)
})

// pluginDir is a plugin folder with a backend in it.
func pluginDir(t *testing.T, name string) string {
	t.Helper()
	text, err := program()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	manifest, err := exec.Command(path, "--manifest").Output()
	if err == nil && !json.Valid(manifest) {
		t.Fatalf("--manifest: %q", manifest)
	}
	if err == nil {
		err = os.WriteFile(path+".json", manifest, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
