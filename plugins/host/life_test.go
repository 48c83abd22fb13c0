package host

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

// TestLife: a plugin behaves as a backend in this process would.
func TestLife(t *testing.T) {
	r := newRig(t)
	r.install("ok")
	b := r.open("ok")
	want := plugins.Info{Name: "ok", Version: "0.1", API: 1, Kind: plugins.KindNet, Caps: []plugins.Cap{plugins.CapLink}}
	if d := cmp.Diff(want, b.Info()); d != "" {
		t.Error(d)
	}
	var ce *plugins.ConfigError
	err := b.Configure(t.Context(), plugins.Config{Settings: map[string]any{"wrong": true}})
	if !errors.As(err, &ce) || *ce != (plugins.ConfigError{Key: "wrong", Msg: "is wrong", Hint: "leave it out"}) {
		t.Errorf("%#v", err)
	}
	if err := b.Configure(t.Context(), plugins.Config{Settings: map[string]any{"why": "because"}}); err != nil {
		t.Fatal(err)
	}
	if d, err := b.Detect(t.Context()); err != nil || d.Why != "because" {
		t.Errorf("%+v, %v", d, err)
	}
	if p, err := b.Plan(t.Context(), web()); err != nil || len(p.Steps) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := b.Apply(t.Context(), web()); err != nil {
		t.Error(err)
	}
	seen, err := b.Observe(t.Context())
	if d := cmp.Diff([]plugins.VIPState{{VIP: web()[0], OnHost: true}}, seen, cmp.Comparer(sameVIP)); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	if f, err := b.Inspect(t.Context(), web()); f != nil || err != nil {
		t.Errorf("no inspector finds nothing: %v, %v", f, err)
	}
	pid := b.State().PID
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if alive(pid) {
		t.Error("it outlived Close")
	}
	if _, err := b.Observe(t.Context()); err == nil {
		t.Error("it answers after Close")
	}
}

func sameVIP(a, b plugins.VIP) bool { return a == b }

// TestLogs: records cross with level and attributes.
func TestLogs(t *testing.T) {
	r := newRig(t)
	r.install("ok")
	b := r.open("ok")
	if err := b.Configure(t.Context(), plugins.Config{StateDir: "/nowhere"}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"level=WARN msg=configured plugin=ok of.settings=0 state_dir=/nowhere",
		`level=DEBUG msg="a detail" plugin=ok`,
	} {
		r.eventually(line, func() bool { return strings.Contains(r.log.String(), line) })
	}
}

// TestKilled: after kill -9 it is started and configured again, and the one
// who watches is told that all is lost.
func TestKilled(t *testing.T) {
	r := newRig(t)
	r.install("ok")
	b := r.open("ok")
	if err := b.Configure(t.Context(), plugins.Config{Settings: map[string]any{"why": "because"}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(t.Context(), web()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changes, ended := make(chan plugins.Change, 100), make(chan error, 1)
	go func() { ended <- b.Watch(ctx, func(c plugins.Change) { changes <- c }) }()
	next := func(what string, ok func(plugins.Change) bool) {
		t.Helper()
		r.eventually(what, func() bool {
			select {
			case c := <-changes:
				return ok(c)
			default:
				return false
			}
		})
	}
	watching := func(c plugins.Change) bool { return c.Object == "watching" }
	next("it watches", watching)
	for n := 1; n <= 3; n++ {
		pid := b.State().PID
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		next("a loss", func(c plugins.Change) bool {
			return c.Lost && strings.Contains(c.Why, fmt.Sprintf("(pid %d) ended: signal: killed", pid))
		})
		next("it watches again", watching)
		if s := b.State(); s.Restarts != n || s.PID == pid {
			t.Errorf("%+v", s)
		}
		if d, err := b.Detect(t.Context()); err != nil || d.Why != "because" {
			t.Errorf("its settings are gone: %+v, %v", d, err)
		}
		if seen, err := b.Observe(t.Context()); err != nil || len(seen) != 0 {
			t.Errorf("it is another process: %+v, %v", seen, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestNoStartAfterChange: a file that was swapped meanwhile is not started again,
// and the calls say why.
func TestNoStartAfterChange(t *testing.T) {
	r := newRig(t)
	path := r.install("ok")
	b := r.open("ok")
	digest, err := sum(path)
	if err != nil {
		t.Fatal(err)
	}
	r.write(r.PinFile, []byte(digest+"  "+path+"\n"), 0o644)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.write(path, []byte("#!/bin/sh\nexit 7\n"), 0o755)
	if err := syscall.Kill(b.State().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.eventually("refused", func() bool {
		_, err := b.Observe(t.Context())
		return err != nil && strings.Contains(err.Error(), "is not the file that was pinned")
	})
}

// TestGivenLittle: the process has no more of the daemon than it needs.
func TestGivenLittle(t *testing.T) {
	t.Setenv("STENTOR_SECRET", "token")
	leak, err := os.Open("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	// As a service manager hands it over: not close-on-exec.
	inherited, err := syscall.Dup(int(leak.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(inherited)
	for _, account := range []string{"", "nobody"} {
		t.Run("user "+account, func(t *testing.T) {
			if account != "" && os.Geteuid() != 0 {
				t.Skip("needs root to run a plugin as another user")
			}
			r := newRig(t)
			r.install("ok", func(m *plugins.Manifest) { m.User = account })
			b := r.open("ok")
			d, err := b.Detect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			var env []string
			for _, s := range d.Signals {
				got[s.Name] = s.Value
				if strings.HasPrefix(s.Name, "$") {
					env = append(env, s.Name)
				}
				if s.Name == "fd" && strings.Contains(s.Value, "passwd") {
					t.Error("a file of the daemon's is open in it")
				}
			}
			slices.Sort(env)
			if d := cmp.Diff([]string{"$GODEBUG", "$LANG", "$PATH", "$PLUGIN_MAX_PORT", "$PLUGIN_MIN_PORT", "$PLUGIN_PROTOCOL_VERSIONS",
				"$PLUGIN_UNIX_SOCKET_DIR", "$STENTOR_PLUGIN", "$TMPDIR"}, env); d != "" {
				t.Errorf("environment: %s", d)
			}
			if got["NoNewPrivs"] != "1" || strings.Trim(got["CapAmb"], "0") != "" {
				t.Errorf("NoNewPrivs %s, CapAmb %s", got["NoNewPrivs"], got["CapAmb"])
			}
			socket, err := os.Stat(got["$PLUGIN_UNIX_SOCKET_DIR"])
			if err != nil || socket.Mode().Perm() != 0o700 {
				t.Errorf("socket folder: %v, %v", socket.Mode(), err)
			}
			if account != "" && (strings.Trim(got["CapEff"], "0") != "" || !strings.HasPrefix(got["Uid"], "65534\t") || got["Groups"] != "") {
				t.Errorf("CapEff %s, Uid %s, Groups %s", got["CapEff"], got["Uid"], got["Groups"])
			}
		})
	}
}

// TestUserWhoDoesNotExist names the manifest's wish.
func TestUserWhoDoesNotExist(t *testing.T) {
	r := newRig(t)
	r.install("ok", func(m *plugins.Manifest) { m.User = "nosuch" })
	_, err := r.tryOpen("ok")
	r.says(err, `its manifest wants the user "nosuch", who does not exist`)
}

// TestFind: the first folder that has the name wins; a bad name is none.
func TestFind(t *testing.T) {
	r := newRig(t)
	r.install("ok")
	r.install("exits")
	other := newRig(t)
	other.install("ok")
	o := Options{Dirs: []string{"/nowhere", other.dir, r.dir}}
	if p, err := Find(o, "ok"); err != nil || p.Path != filepath.Join(other.dir, "ok") {
		t.Errorf("%+v, %v", p, err)
	}
	if d := cmp.Diff([]string{"exits", "ok"}, Names(o)); d != "" {
		t.Error(d)
	}
	for _, name := range []string{"nosuch", "../ok", "", "a/b", "OK"} {
		if _, err := Find(o, name); !errors.Is(err, ErrNone) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := At(o, "plugins/ok"); err == nil {
		t.Error("a relative path is taken")
	}
	t.Chdir(r.dir)
	r.write(filepath.Join(r.dir, "pins"), nil, 0o644)
	_, err := At(Options{PinFile: "pins"}, filepath.Join(r.dir, "ok"))
	r.says(err, "pins: want an absolute path")
}

const daemonArg = "a-daemon-that-is-killed"

// daemonThatIsKilled opens a plugin, tells its pid, and waits.
func daemonThatIsKilled(args []string) {
	o := Options{Dirs: []string{args[0]}, RunDir: args[1]}
	prog, err := Find(o, "ok")
	if err == nil {
		var b *Net
		if b, err = OpenNet(context.Background(), o, prog); err == nil {
			fmt.Println(b.State().PID)
			select {}
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

// TestNoOrphan: the plugin ends with the daemon, however that ends.
func TestNoOrphan(t *testing.T) {
	r := newRig(t)
	r.install("ok")
	run, err := os.MkdirTemp("", "sp") // the daemon can't tidy up
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(run)
	daemon := exec.Command("/proc/self/exe", daemonArg, r.dir, run)
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, e := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || e != nil || !alive(pid) {
		t.Fatalf("%q, %v", line, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	if err := daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = daemon.Wait()
	r.eventually("the plugin is gone", func() bool { return !alive(pid) })
	left, err := os.ReadDir(run)
	if err != nil || len(left) != 1 {
		t.Fatalf("%v, %v", left, err)
	}
	// A plugin that sees its daemon's end first takes its socket along, and may
	// be at that still: the folder is as new as that is.
	r.eventually("the next daemon takes the folder away", func() bool {
		old := time.Now().Add(-2 * unborn)
		if err := os.Chtimes(filepath.Join(run, left[0].Name()), old, old); err != nil {
			t.Fatal(err)
		}
		sweep(run)
		now, err := os.ReadDir(run)
		return err == nil && len(now) == 0
	})
}

// FuzzManifest: whatever stands in the file, there is an error or a valid manifest.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"name":"ok","kind":"network","api":1,"caps":["link"]}`))
	f.Add([]byte(`{"name":"../ok","kind":"bgp","api":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseManifest(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if m2, err := parseManifest(again); err != nil || !cmp.Equal(m, m2) {
			t.Errorf("%+v, %+v, %v", m, m2, err)
		}
	})
}

// FuzzStderr: whatever a program writes, no more than the limit is kept.
func FuzzStderr(f *testing.F) {
	f.Add([]byte("a\nb\n"), 3)
	f.Add([]byte(`{"@level":"warn","@message":"x","k":{"a":1}}`+"\n"), 5)
	f.Add([]byte("panic: x\n\ngoroutine 1\n"), 2)
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		tail := &tail{}
		for len(text) > 0 {
			n := min(max(piece, 1), len(text))
			if w, err := tail.Write(text[:n]); w != n || err != nil {
				t.Fatal(w, err)
			}
			text = text[n:]
		}
		if s := tail.String(); len(s) > tailLines*(tailWidth+16) {
			t.Errorf("%d bytes are kept", len(s))
		}
	})
}
