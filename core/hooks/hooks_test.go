package hooks

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/status"
)

// logged is a log that can be looked at.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func runner(t *testing.T, hooks ...config.Hook) (*Runner, *logged) {
	t.Helper()
	log := &logged{}
	r := New(Options{Host: "host-a", Log: slog.New(slog.NewTextHandler(log, nil))})
	t.Cleanup(func() {
		done, cancel := context.WithCancel(context.Background())
		cancel()
		r.Close(done)
	})
	r.Set(hooks)
	return r, log
}

func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// settled waits until a hook has tried n events.
func settled(t *testing.T, r *Runner, n uint64) Stat {
	t.Helper()
	var s Stat
	eventually(t, fmt.Sprint(n, " events were tried"), func() bool {
		s = r.Stats()[0]
		return s.Delivered+s.Failed >= n
	})
	return s
}

func vips(vip ...status.VIP) *status.Status { return &status.Status{VIPs: vip} }

func entered(object, from, to string) []history.Event {
	return []history.Event{{Seq: 7, At: time.Unix(1, 0).UTC(), Object: object, From: from, To: to, Why: "check \"https\" is down", Output: "HTTP 503"}}
}

func TestExec(t *testing.T) {
	path := script(t, `cd "$(dirname "$0")"; cat >stdin; env | grep -v ^PWD= | grep -v ^_= | grep -v ^OLDPWD= | grep -v ^SHLVL= | sort >environment; echo "$@" >argv`)
	t.Setenv("NOTIFY_SOCKET", "/run/secret")
	t.Setenv("PATH", "/usr/bin:/bin")
	t.Setenv("STENTOR_SOCKET", "/run/x.sock")
	for _, name := range []string{"HOME", "LANG", "TZ", "STENTOR_CONFIG", "STENTOR_STATE_DIR"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	r, log := runner(t, config.Hook{Name: "chat", Exec: []string{path, "a b", "$HOME"}, On: []string{"vip"}, Timeout: time.Minute})
	r.Deliver(entered("vip web", "announced as primary, 2/2 peers", "withdrawn as primary, 0/2 peers"), vips())
	if s := settled(t, r, 1); s.Failed != 0 {
		t.Fatalf("%+v\n%s", s, log)
	}
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	want := map[string]any{"seq": 7., "time": "1970-01-01T00:00:01Z", "object": "vip web", "from": "announced as primary, 2/2 peers", "to": "withdrawn as primary, 0/2 peers",
		"why": "check \"https\" is down", "output": "HTTP 503", "hook": "chat", "host": "host-a", "kind": "vip", "name": "web", "state": "withdrawn"}
	var got map[string]any
	if err := json.Unmarshal([]byte(read("stdin")), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(`PATH=/usr/bin:/bin
STENTOR_FROM=announced as primary, 2/2 peers
STENTOR_HOOK=chat
STENTOR_HOST=host-a
STENTOR_KIND=vip
STENTOR_NAME=web
STENTOR_OUTPUT=HTTP 503
STENTOR_SEQ=7
STENTOR_SOCKET=/run/x.sock
STENTOR_STATE=withdrawn
STENTOR_TIME=1970-01-01T00:00:01Z
STENTOR_TO=withdrawn as primary, 0/2 peers
STENTOR_WHY=check "https" is down
`, read("environment")); diff != "" {
		t.Error(diff)
	}
	if got := read("argv"); got != "a b $HOME\n" {
		t.Errorf("argv %q", got)
	}
}

func TestWanted(t *testing.T) {
	announced := entered("vip web", "pending as primary, 0/2 peers", "announced as primary, 1/2 peers")[0]
	more := entered("vip web", "announced as primary, 1/2 peers", "announced as primary, 2/2 peers")[0]
	gone := entered("vip web", "announced as primary, 1/2 peers", "")[0]
	for _, tt := range []struct {
		on   string
		e    history.Event
		want bool
	}{
		{"vip", announced, true}, {"vip", more, true}, {"vip", gone, true}, {"peer", announced, false},
		{"vip.announced", announced, true}, {"vip.announced", more, false}, {"vip.withdrawn", announced, false},
		{"vip.gone", gone, true}, {"peer.announced", announced, false},
	} {
		if got := wanted([]string{tt.on}, tt.e); got != tt.want {
			t.Errorf("%s: %q -> %q: %v", tt.on, tt.e.From, tt.e.To, got)
		}
	}
}

// TestHang: a program that hangs is killed with its children when its time is
// over, and other hooks are told meanwhile.
func TestHang(t *testing.T) {
	slow := script(t, `sleep 1000 & echo $! >"$(dirname "$0")/child"; wait`)
	quick := script(t, `echo "$STENTOR_NAME" >>"$(dirname "$0")/said"`)
	r, log := runner(t, config.Hook{Name: "a-slow", Exec: []string{slow}, On: []string{"vip"}, Timeout: 5 * time.Second},
		config.Hook{Name: "b-quick", Exec: []string{quick}, On: []string{"vip"}, Timeout: time.Minute})
	r.Deliver(entered("vip web", "", "announced"), vips())
	eventually(t, "the quick hook is told", func() bool { return r.Stats()[1].Delivered == 1 })
	if s := r.Stats()[0]; s.Failed != 0 {
		t.Errorf("the quick one had to wait for the slow one: %+v", s)
	}
	eventually(t, "the slow hook is given up", func() bool { return r.Stats()[0].Failed == 1 })
	if !strings.Contains(log.String(), "did not end within 5s and was killed") || !strings.Contains(log.String(), "hook=a-slow") {
		t.Errorf("%s", log)
	}
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(slow), "child"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "its child is dead", func() bool {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(raw)) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

// TestOrder: a hook is told one event after the other, in order; what does not
// fit into its queue is counted, and the newest is kept.
func TestOrder(t *testing.T) {
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	path := script(t, fmt.Sprintf(`while ! [ -e %s ]; do sleep 0.01; done; echo "$STENTOR_SEQ" >>%s/said`, gate, dir))
	r, log := runner(t, config.Hook{Name: "x", Exec: []string{path}, On: []string{"peer"}, Timeout: time.Minute})
	r.Deliver([]history.Event{{Seq: 1, Object: "peer a", To: "idle"}}, vips())
	eventually(t, "the first is on its way", func() bool { return r.Stats()[0].Queue == 0 })
	var many []history.Event
	for n := range uint64(maxQueue + 5) {
		many = append(many, history.Event{Seq: n + 2, Object: "peer a", To: "idle"})
	}
	r.Deliver(many, vips())
	if s := r.Stats()[0]; s.Queue != maxQueue || s.Dropped != 5 {
		t.Errorf("%+v", s)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	settled(t, r, 20) // the rest goes with the runner
	if !strings.Contains(log.String(), "dropped=5") {
		t.Errorf("%s", log)
	}
	raw, err := os.ReadFile(dir + "/said")
	if err != nil || !strings.HasPrefix(string(raw), "1\n7\n8\n9\n10\n") {
		t.Errorf("%q, %v", raw, err)
	}
}

func TestFailure(t *testing.T) {
	path := script(t, "echo it is; echo broken >&2; exit 3")
	r, log := runner(t, config.Hook{Name: "x", Exec: []string{path}, On: []string{"vip"}, Timeout: time.Minute})
	r.Deliver(entered("vip web", "", "announced"), vips())
	if s := settled(t, r, 1); s.Failed != 1 || !strings.Contains(log.String(), "exit status 3; it said: it is broken") {
		t.Errorf("%+v\n%s", s, log)
	}
	os.Remove(path)
	r.Deliver(entered("vip web", "", "announced"), vips())
	if s := settled(t, r, 2); s.Failed != 2 || !strings.Contains(log.String(), "no such file") {
		t.Errorf("%+v\n%s", s, log)
	}
}

// TestReload: what waits is told by the new settings; a hook that is gone tells
// nothing more, one that fails no more is the same hook to the metrics.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	old := script(t, fmt.Sprintf(`echo began >%s/began; while ! [ -e %s/gate ]; do sleep 0.01; done; echo old >>%s/said`, dir, dir, dir))
	young := script(t, fmt.Sprintf(`echo new >>%s/said`, dir))
	hook := config.Hook{Name: "x", Exec: []string{old}, On: []string{"vip"}, Timeout: time.Minute}
	r, _ := runner(t, hook)
	for range 3 {
		r.Deliver(entered("vip web", "", "announced"), vips())
	}
	eventually(t, "the first call runs", func() bool { _, err := os.Stat(dir + "/began"); return err == nil })
	hook.Exec = []string{young}
	r.Set([]config.Hook{hook})
	if err := os.WriteFile(dir+"/gate", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	settled(t, r, 3)
	raw, err := os.ReadFile(dir + "/said")
	if err != nil || string(raw) != "old\nnew\nnew\n" {
		t.Errorf("%q, %v", raw, err)
	}
	r.Set(nil)
	r.Deliver(entered("vip web", "", "announced"), vips())
	if s := r.Stats(); len(s) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestClose: what was delivered before the end is told, within the time that
// there is.
func TestClose(t *testing.T) {
	dir := t.TempDir()
	path := script(t, fmt.Sprintf(`echo "$STENTOR_SEQ" >>%s/said`, dir))
	log := slog.New(slog.DiscardHandler)
	r := New(Options{Log: log})
	r.Set([]config.Hook{{Name: "x", Exec: []string{path}, On: []string{"vip"}, Timeout: time.Minute}})
	for range 5 {
		r.Deliver(entered("vip web", "", "announced"), vips())
	}
	r.Close(t.Context())
	if raw, err := os.ReadFile(dir + "/said"); err != nil || strings.Count(string(raw), "7") != 5 {
		t.Errorf("%q, %v", raw, err)
	}

	r = New(Options{Log: log})
	r.Set([]config.Hook{{Name: "x", Exec: []string{script(t, "exec sleep 1000")}, On: []string{"vip"}, Timeout: time.Hour}})
	for range 5 {
		r.Deliver(entered("vip web", "", "announced"), vips())
	}
	eventually(t, "a call runs", func() bool { return r.Stats()[0].Queue == 4 })
	over, cancel := context.WithCancel(t.Context())
	cancel()
	r.Close(over) // a test that hangs here fails by its timeout
}
