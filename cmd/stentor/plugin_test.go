package main

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
)

// TestIsolated: [backend.NAME] isolate = true gives a built-in a process of its
// own that answers as the built-in would, and ends with Close.
func TestIsolated(t *testing.T) {
	run, err := os.MkdirTemp("", "sp") // short: a socket's path has 108 bytes (unix(7))
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(run)
	if err := os.Chmod(run, 0o755); err != nil { // for the other user
		t.Fatal(err)
	}
	a := &app{talk: os.Stderr}
	reg := a.registryFor(slog.New(slog.DiscardHandler), registry.Options{StateDir: t.TempDir(), Plugins: host.Options{RunDir: run}})
	b, err := reg.OpenBGP(t.Context(), "gobgp", map[string]map[string]any{"gobgp": {"isolate": true}})
	if err != nil {
		t.Fatal(err)
	}
	process, ok := b.(*host.BGP)
	if !ok {
		t.Fatalf("a %T", b)
	}
	builtin, _ := reg.Info(plugins.KindBGP, "gobgp")
	if d := cmp.Diff(builtin, b.Info()); d != "" {
		t.Error(d)
	}
	p, err := b.Plan(t.Context(), plugins.Speaker{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.7"), Peers: []plugins.Peer{
		{Name: "rs1", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 65000, Hold: 9 * time.Second, Keepalive: 3 * time.Second},
	}})
	if err != nil || len(p.Steps) == 0 {
		t.Errorf("%+v, %v", p, err)
	}
	pid := process.State().PID
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("it outlived Close")
	}
}

// TestVerbsLeaveNoProcess: what a verb has opened without a daemon ends with it,
// also if it then fails.
func TestVerbsLeaveNoProcess(t *testing.T) {
	const good = "[network]\nbackend = \"iproute\"\n[backend.iproute]\nisolate = true\n" +
		"[bgp]\nasn = 65001\nrouter_id = \"192.0.2.7\"\n[bgp.peer.tor1]\naddress = \"192.0.2.1\"\nasn = 64512\n"
	for name, tt := range map[string]struct {
		verb, more string
		code       int
	}{
		"diff":                         {"diff", "", exitNo},
		"check":                        {"check", "", -1}, // the host may have problems
		"diff, and a wrong setting":    {"diff", "[backend.native]\nnosuch = 1\n", exitUsage},
		"check, and a wrong setting":   {"check", "[backend.native]\nnosuch = 1\n", exitUsage},
		"apply for an image, and that": {"apply", "[backend.native]\nnosuch = 1\n", exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "stentor.toml")
			text := good + tt.more
			args := []string{tt.verb, "--config", file, "--socket", filepath.Join(dir, "s"), "--state-dir", filepath.Join(dir, "state")}
			if tt.verb == "apply" {
				text = strings.Replace(text, "isolate = true", "isolate = true\nnosuch = 1", 1)
				args = append(args, "--root", t.TempDir())
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			if code := run(args, &said, &said); code != tt.code && tt.code >= 0 {
				t.Errorf("exit code %d, want %d\n%s", code, tt.code, &said)
			}
			if left := children(t); len(left) > 0 {
				t.Errorf("left behind: processes %v\n%s", left, &said)
			}
		})
	}
}

// TestAutoKeepsOneProcess: those that were only asked whether they fit are ended.
func TestAutoKeepsOneProcess(t *testing.T) {
	a := &app{talk: os.Stderr}
	reg := a.registryFor(slog.New(slog.DiscardHandler), registry.Options{StateDir: t.TempDir()})
	settings := map[string]map[string]any{}
	for _, name := range reg.Names(plugins.KindNet) {
		settings[name] = map[string]any{"isolate": true}
	}
	b, _, err := reg.OpenNet(t.Context(), registry.Auto, settings)
	if err != nil {
		reg.Close()
		t.Skip("no backend fits this host: ", err)
	}
	pid := b.(*host.Net).State().PID
	if left := children(t); !slices.Equal(left, []int{pid}) {
		t.Errorf("processes %v, want %d alone", left, pid)
	}
	reg.Close()
	if left := children(t); len(left) > 0 {
		t.Errorf("after Close: %v", left)
	}
}

// children are the processes that this one has.
func children(t *testing.T) (pids []int) {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		text, err := os.ReadFile(list) // the thread may have ended
		for _, f := range strings.Fields(string(text)) {
			if pid, e := strconv.Atoi(f); err == nil && e == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
