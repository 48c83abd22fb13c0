package example

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// folder has a short name: a socket's path has 108 bytes (unix(7)).
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ex")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// goPlugin builds a Go example into a plugin folder, as its README says.
func goPlugin(t *testing.T, name string) host.Program {
	t.Helper()
	program := filepath.Join(folder(t), name)
	cmd := exec.Command("go", "build", "-o", program, "./"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	manifest, err := exec.Command(program, "--manifest").Output()
	if err == nil {
		err = os.WriteFile(program+".json", manifest, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return at(t, program)
}

// pythonPlugin builds the example in Python into a plugin folder.
func pythonPlugin(t *testing.T, name string) host.Program {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-c", "import grpc, google.protobuf").Run(); err != nil {
		t.Skip("python3-grpcio or python3-protobuf is not installed")
	}
	dir := folder(t)
	if out, err := exec.Command("./"+name+"/build.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, out)
	}
	return at(t, filepath.Join(dir, name))
}

func at(t *testing.T, path string) host.Program {
	t.Helper()
	p, err := host.At(host.Options{}, path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// program is what the suite is told of a plugin.
func program(p host.Program) *plugintest.Program {
	return &plugintest.Program{Path: p.Path, Args: p.Args, Manifest: &p.Manifest}
}

// options run a plugin in a network namespace, and have its log in the test's.
func options(t *testing.T, run, netns string) host.Options {
	return host.Options{RunDir: run, NetNS: netns, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// underNet is a network backend under test, in a network namespace of its own.
func underNet(t *testing.T, p host.Program) plugintest.Net {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a network namespace")
	}
	space, err := plugintest.NewNetHost()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(space.Close)
	o := options(t, folder(t), space.NetNS())
	return plugintest.Net{
		Open:    func() (plugins.NetBackend, error) { return host.OpenNet(context.Background(), o, p) },
		Inside:  space.Do,
		Program: program(p),
	}
}
