package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

func web() []plugins.VIP {
	return []plugins.VIP{{Name: "web", Addr: netip.MustParseAddr("203.0.113.10"), Link: "lo"}}
}

// TestStartFaults: a program that does not come up is named, with what it did.
func TestStartFaults(t *testing.T) {
	tests := map[string][]string{
		"exits":     {"ended before it shook hands: exit status 3", "; to see what is wrong with it, run: stentor plugins verify /", "\n    libexample.so.1: cannot open shared object file"},
		"garbage":   {`its first line on standard output is "welcome to the plugin"`, "logs belong on standard error"},
		"hangstart": {"did not shake hands within 1s, and was killed", "asking the licence server"},
		"api7":      {"api7 speaks plugin API 7, and this Stentor speaks API 1", "a newer Stentor"},
		"netrpc":    {"does not offer gRPC", "netrpc"},
		"tcp":       {"another place than a unix socket in the folder $PLUGIN_UNIX_SOCKET_DIR"},
		"api2":      {"api2 speaks plugin API 2, and this Stentor speaks API 1"},
		"othername": {"its manifest says othername (network), and it says else (network)", "--manifest"},
		"lesscaps":  {`promises "link"`, "--manifest"},
	}
	for name, words := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if name == "hangstart" {
				r.limits.start = time.Second
			}
			path := r.install(name)
			b, err := r.tryOpen(name)
			if err == nil {
				b.Close()
			}
			r.says(err, append(words, "plugin "+path)...)
		})
	}
}

// TestCallFaults: an error keeps its meaning, and a process that fails in a
// call is started again.
func TestCallFaults(t *testing.T) {
	tests := map[string]struct {
		means  error
		words  []string
		lasts  bool // the process lives on
		budget time.Duration
	}{
		"foreign":   {plugins.ErrForeign, []string{"/etc/example: not ours"}, true, 0},
		"down":      {plugins.ErrUnavailable, []string{"the example daemon is down: unavailable"}, true, 0},
		"paniccall": {nil, []string{"panic in ApplyVIPs: a bug in a call"}, true, 0},
		"panicgo":   {plugins.ErrUnavailable, []string{"panicgo (pid", "exit status 2", "panic: a bug in a goroutine"}, false, 0},
		"hangcall":  {context.DeadlineExceeded, []string{"hangcall (pid ", "did not answer Apply in time; to see what is wrong with it, run: stentor plugins verify /"}, true, 200 * time.Millisecond},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.install(name)
			b := r.open(name)
			pid := b.State().PID
			ctx := t.Context()
			if tt.budget > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tt.budget)
				defer cancel()
			}
			err := b.Apply(ctx, web())
			r.says(err, tt.words...)
			if tt.means != nil && !errors.Is(err, tt.means) {
				t.Errorf("%v is no %v", err, tt.means)
			}
			if !tt.lasts {
				r.eventually("started again", func() bool { s := b.State(); return s.Restarts == 1 && s.PID != pid })
			}
			// Calls take turns: one that hangs is in the way of the next, until the
			// process is ended for it (TestHangingCallsEndTheProcess).
			if tt.budget == 0 {
				if _, err := b.Observe(t.Context()); err != nil {
					t.Errorf("the next call: %v", err)
				}
			}
			if now := b.State().PID; tt.lasts && now != pid {
				t.Errorf("process %d, was %d", now, pid)
			}
		})
	}
}

// TestHangingCallsEndTheProcess: a plugin that leaves call after call without
// an answer is killed, and comes back.
func TestHangingCallsEndTheProcess(t *testing.T) {
	r := newRig(t)
	r.install("hangcall")
	b := r.open("hangcall")
	for range maxMisses {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		r.says(b.Apply(ctx, web()), "in time")
		cancel()
	}
	r.eventually("started again", func() bool { return b.State().Restarts == 1 })
	if s := b.State(); !strings.Contains(s.LastEnd, "3 calls in a row without an answer") {
		t.Error(s.LastEnd)
	}
}

// TestStopped: SIGSTOP is noticed by the watchdog.
func TestStopped(t *testing.T) {
	r := newRig(t)
	r.limits.pong = 300 * time.Millisecond
	r.install("ok")
	b := r.open("ok")
	var pid int
	r.eventually("it runs", func() bool { pid = b.State().PID; return pid > 0 }) // 0 would be us
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r.eventually("killed and started again", func() bool { return b.State().Restarts > 0 && !alive(pid) })
	if s := b.State(); !strings.Contains(s.LastEnd, "gave no sign of life for 300ms") {
		t.Error(s.LastEnd)
	}
}

// TestCloseStopped: the end of the daemon does not wait for a stopped plugin.
func TestCloseStopped(t *testing.T) {
	r := newRig(t)
	r.limits.ping = time.Hour
	r.install("ok")
	prog, err := Find(r.Options, "ok")
	if err != nil {
		t.Fatal(err)
	}
	i, err := launch(t.Context(), r.withDefaults(), prog)
	if err != nil {
		t.Fatal(err)
	}
	pid := i.proc.pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r.eventually("all its threads have stopped", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err == nil && bytes.Contains(stat, []byte(") T "))
	})
	i.stop("did not end")
	if alive(pid) || !strings.Contains(i.proc.how(), "did not end, and was killed") {
		t.Error(i.proc.how())
	}
}

// TestHugeReply: 1 GiB is refused before it is taken in.
func TestHugeReply(t *testing.T) {
	r := newRig(t)
	r.limits.pong, r.limits.call = time.Minute, time.Minute // it is busy for a while
	r.install("huge")
	b := r.open("huge")
	_, err := b.Observe(t.Context())
	r.says(err, "larger than the 16 MiB", "ObserveVIPs of plugin /", "stentor plugins verify /")
	if _, err := b.Plan(t.Context(), nil); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// TestChildren: what a plugin leaves behind ends with it, and does not hide
// its end by keeping its output open.
func TestChildren(t *testing.T) {
	r := newRig(t)
	r.install("children")
	b := r.open("children")
	err := b.Apply(t.Context(), web())
	if r.says(err, "children (pid", "exit status 1", "child "); t.Failed() {
		return
	}
	_, after, _ := strings.Cut(err.Error(), "child ")
	child, e := strconv.Atoi(strings.Fields(after)[0])
	if e != nil {
		t.Fatal(e)
	}
	r.eventually("the child is gone", func() bool { return !alive(child) })
	r.eventually("it is told", func() bool { return strings.Contains(r.log.String(), "left processes behind") })
	r.eventually("started again", func() bool { return b.State().Restarts == 1 })
}

// TestUntrusted: what others can write is not run.
func TestUntrusted(t *testing.T) {
	chmod := func(path string, mode os.FileMode) func(*rig) {
		return func(r *rig) {
			if err := os.Chmod(filepath.Join(r.dir, path), mode); err != nil {
				r.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		spoil func(*rig)
		words []string
	}{
		"world-writable":      {chmod("ok", 0o757), []string{"can be written by others (mode 0757)", "chmod go-w"}},
		"group-writable":      {chmod("ok", 0o775), []string{"can be written by others"}},
		"folder":              {chmod(".", 0o777), []string{"can be written by others", "chmod go-w"}},
		"setuid":              {chmod("ok", 0o755|os.ModeSetuid), []string{"setuid", "chmod u-s"}},
		"not executable":      {chmod("ok", 0o644), []string{"can't be executed", "chmod 755"}},
		"manifest":            {chmod("ok.json", 0o666), []string{"manifest", "can be written by others"}},
		"manifest is missing": {func(r *rig) { os.Remove(filepath.Join(r.dir, "ok.json")) }, []string{"ok.json is missing", "--manifest"}},
		"link": {func(r *rig) {
			os.Remove(filepath.Join(r.dir, "ok"))
			if err := os.Symlink("/bin/true", filepath.Join(r.dir, "ok")); err != nil {
				r.Fatal(err)
			}
		}, []string{"is a link to", "outside its folder"}},
		"owner": {func(r *rig) {
			if os.Geteuid() != 0 {
				r.Skip("needs root to give a file away")
			}
			if err := os.Chown(filepath.Join(r.dir, "ok"), 65534, 65534); err != nil {
				r.Fatal(err)
			}
		}, []string{"belongs to user 65534", "chown root"}},
		"wrong checksum": {func(r *rig) {
			r.write(r.PinFile, []byte("# trusted\n"+strings.Repeat("ab", 32)+"  "+filepath.Join(r.dir, "ok")+"\n"), 0o644)
		}, []string{"is not the file that was pinned", "abab"}},
		"no pin":     {func(r *rig) { r.RequirePin = true }, []string{"has no pin", "stentor plugins trust"}},
		"broken pin": {func(r *rig) { r.write(r.PinFile, []byte("xyz\n"), 0o644) }, []string{"pins:1: want a line as sha256sum writes it"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			path := r.install("ok")
			tt.spoil(r)
			_, err := r.tryOpen("ok")
			r.says(err, append(tt.words, path)...)
		})
	}
}

// TestPinned: the right sum, as sha256sum(1) writes it, is taken.
func TestPinned(t *testing.T) {
	r := newRig(t)
	path := r.install("ok")
	digest, err := sum(path)
	if err != nil {
		t.Fatal(err)
	}
	r.write(r.PinFile, []byte(strings.Repeat("ab", 32)+"  "+path+"\n"+digest+" *"+path+"\n"), 0o600)
	r.RequirePin = true
	r.open("ok")
}
