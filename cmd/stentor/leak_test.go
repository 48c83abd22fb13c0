package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/daemon"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// insideEnv tells a child process that it has a network namespace of its own.
const insideEnv = "STENTOR_TEST_IN_NETNS"

// TestReloadsLeakNothing: a daemon with real backends and a live session holds
// after 1,000 reloads and 1,000 drains and undrains no more goroutines and
// files than before them, and its session has lasted.
func TestReloadsLeakNothing(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		t.Parallel()
		again(t)
		return
	}
	for _, args := range []string{"link set lo up", "address add 192.0.2.1/32 dev lo", "address add 192.0.2.7/32 dev lo"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", args, err, out)
		}
	}
	far, err := bgppeer.Start(bgppeer.Config{Listen: netip.MustParseAddrPort("192.0.2.1:179"), ASN: 65000})
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	r := startReloads(t)
	r.settle()
	for range 10 { // buffers and pools fill up
		r.cycle()
	}
	r.settle()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for range 500 {
		r.cycle()
	}
	r.settle()
	r.eventually(fmt.Sprintf("no more than %d goroutines", goroutines), func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := openFiles(t); now > files {
		t.Errorf("%d open files, %d before", now, files)
	}
	for _, e := range far.Events() {
		if e.Kind == bgppeer.Closed {
			t.Errorf("the session was lost: %v", e)
		}
	}
}

// again runs the calling test in a child process with a network namespace of
// its own: a daemon in this process dials from any thread.
func again(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	runtime.LockOSThread() // Pdeathsig counts from the end of this thread
	defer runtime.UnlockOSThread()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=100s")
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "--- PASS: "+t.Name()) {
		t.Fatalf("in its namespace: %v\n%s", err, out.String())
	}
}

// reloads is a running daemon that is sent one config after the other.
type reloads struct {
	*testing.T
	client     *control.Client
	config     string
	generation int
}

const (
	web = `
[bgp]
asn = 65001
router_id = "192.0.2.7"
local_address = "192.0.2.7"
[bgp.peer.rs1]
address = "192.0.2.1"
asn = 65000
[vip.web]
address = "203.0.113.10/32"
role = "primary"
`
	webAndMail = web + `
med = 20
[vip.mail]
address = "203.0.113.25/32"
role = "secondary"
`
)

func startReloads(t *testing.T) *reloads {
	t.Helper()
	dir := t.TempDir()
	a := &app{talk: os.Stderr, config: filepath.Join(dir, "stentor.toml"), socket: filepath.Join(dir, "s.sock"), stateDir: filepath.Join(dir, "state")}
	r := &reloads{T: t, client: control.NewClient(a.socket), config: a.config, generation: 1}
	r.write(web)
	log := a.logger(slog.LevelError, false)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- daemon.Run(ctx, daemon.Options{
			Config: a.config, Socket: a.socket, StateDir: a.stateDir, Version: "test", Registry: a.registry(log), Log: log,
		}, nil, nil)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	r.eventually("the daemon answers", func() bool {
		running, err := r.client.Running(t.Context())
		return running && err == nil
	})
	return r
}

func (r *reloads) write(text string) {
	r.Helper()
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
}

// cycle reloads twice, drains and undrains.
func (r *reloads) cycle() {
	r.Helper()
	for _, text := range []string{webAndMail, web} {
		r.write(text)
		done, err := r.client.Reload(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		if r.generation++; done.Generation != r.generation {
			r.Fatalf("generation %d, want %d", done.Generation, r.generation)
		}
	}
	if err := r.client.Drain(r.Context(), control.DrainRequest{VIPs: []string{"web"}}); err != nil {
		r.Fatal(err)
	}
	if err := r.client.Undrain(r.Context(), control.UndrainRequest{}); err != nil {
		r.Fatal(err)
	}
}

// settle waits until the daemon has nothing left to do.
func (r *reloads) settle() {
	r.Helper()
	r.eventually("healthy and converged", func() bool {
		s, err := statusOf(r.Context(), r.client)
		return err == nil && s.Generation == r.generation && s.Converged && s.Healthy()
	})
}

func (r *reloads) eventually(what string, ok func() bool) {
	r.Helper()
	if !poll(ok) {
		s, err := statusOf(context.Background(), r.client)
		stacks := make([]byte, 1<<20)
		r.Fatalf("not so after %s: %s\n%+v, %v\n%s", patience, what, s, err, stacks[:runtime.Stack(stacks, true)])
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
