package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/contrib/lab/rs"
)

// speaker is the process of the BGP backend that all peers share.
func (v view) speaker() backendView {
	for _, b := range v.Backends {
		if b.Kind == "bgp" && b.Peer == "" {
			return b
		}
	}
	return backendView{}
}

func (v view) peer(name string) (state, lastError string) {
	for _, p := range v.Peers {
		if p.Name == name {
			return p.State, p.LastError
		}
	}
	return "", ""
}

// route is what the route servers hear of the one VIP.
const route = "198.18.0.1/32=65000:1"

// isolated is a rig with one host that announces to four route servers, by the
// speaker that can be ended by a message.
func isolated(t *testing.T) *rig {
	r := newRig(t, lab.Embedded)
	r.configFor(lab.HostA, lab.GoBGP, "", "web=198.18.0.1/32=primary")
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, route)
	return r
}

// addresses are the host's, with all that the kernel tells of them.
func (r *rig) addresses() string {
	r.t.Helper()
	return r.sh(lab.HostA, "ip", "-o", "addr", "show")
}

func (r *rig) untouched(addrs, by string) {
	r.t.Helper()
	if now := r.addresses(); now != addrs || !strings.Contains(now, " 198.18.0.1/32 ") {
		r.t.Errorf("the host's addresses after %s:\n%s\nbefore:\n%s", by, now, addrs)
	}
}

// TestSpeakerIsPowerless: what of the speaker's process can be seen from outside.
func TestSpeakerIsPowerless(t *testing.T) {
	r := isolated(t)
	child := r.status(lab.HostA).speaker()
	if !child.Isolated || child.PID == r.proc[lab.HostA].Pid() || child.User != "stentor" && child.User != "nobody" {
		t.Fatalf("%+v", child)
	}
	proc := fmt.Sprintf("/proc/%d/", child.PID)
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Groups:\t \n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("%q is missing in\n%s", want, status)
		}
	}
	if strings.Contains(string(status), "\nUid:\t0") || strings.Contains(string(status), "\nGid:\t0") {
		t.Errorf("it is root:\n%s", status)
	}
	if slack, err := os.ReadFile(proc + "timerslack_ns"); err != nil || string(slack) != "4000000\n" {
		t.Errorf("its timers may be %s ns late, %v", slack, err)
	}
	fds, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, err := os.Readlink(proc + "fd/" + fd.Name())
		known := func(prefix string) bool { return strings.HasPrefix(to, prefix) }
		// Its pipes, its sockets, and what the Go runtime opens for itself.
		if err == nil && !slices.ContainsFunc([]string{"/dev/null", "pipe:", "socket:", "anon_inode:[event", "/sys/fs/cgroup/"}, known) {
			t.Errorf("file %s is %s", fd.Name(), to)
		}
	}
	environ, err := os.ReadFile(proc + "environ")
	if err != nil {
		t.Fatal(err)
	}
	for kv := range strings.SplitSeq(strings.TrimRight(string(environ), "\x00"), "\x00") {
		key, _, _ := strings.Cut(kv, "=")
		ours := slices.Contains([]string{"LANG", "PATH", "TMPDIR", "GODEBUG", "STENTOR_PLUGIN"}, key)
		if !ours && !strings.HasPrefix(key, "PLUGIN_") {
			t.Errorf("environment: %s", kv)
		}
	}
	r.stop(lab.HostA)
	if syscall.Kill(child.PID, 0) == nil {
		t.Error("the process outlived the daemon")
	}
}

// TestLeanSpeaker: native runs as the program of its own that is installed with
// stentor, under its name, and comes back when it is killed.
func TestLeanSpeaker(t *testing.T) {
	r := newRig(t, lab.Embedded)
	r.configFor(lab.HostA, lab.Native, "", "web=198.18.0.1/32=primary")
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, route)
	before := r.status(lab.HostA).speaker()
	lean := func(b backendView) {
		t.Helper()
		proc := fmt.Sprintf("/proc/%d/", b.PID)
		if program, err := os.Readlink(proc + "exe"); err != nil || program != binary+"-native" {
			t.Errorf("it is %s, %v", program, err)
		}
		if name, err := os.ReadFile(proc + "comm"); err != nil || string(name) != "stentor-native\n" {
			t.Errorf("it is called %q, %v", name, err)
		}
	}
	lean(before)
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var now backendView
	r.until("another process", 20*time.Second, func() (bool, string) {
		now = r.status(lab.HostA).speaker()
		return now.Restarts == 1 && now.PID != 0 && now.PID != before.PID, fmt.Sprint(now)
	})
	lean(now)
	r.holds(lab.HostA, 20*time.Second, route)
	r.stop(lab.HostA)
	r.holds(lab.HostA, 5*time.Second)
}

// TestSpeakerKilled: a speaker that is killed is back with its routes, and the
// host has not moved.
func TestSpeakerKilled(t *testing.T) {
	r := isolated(t)
	before, addrs := r.status(lab.HostA).speaker(), r.addresses()
	killed := time.Now()
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until("another process", 20*time.Second, func() (bool, string) {
		now := r.status(lab.HostA).speaker()
		return now.Restarts == 1 && now.PID != 0 && now.PID != before.PID, fmt.Sprint(now)
	})
	t.Logf("seen with a new process after %s", time.Since(killed).Round(time.Millisecond))
	for _, server := range r.RouteServers() {
		t.Logf("%s told again after %s", server, r.toldAgain(server, killed).Sub(killed).Round(time.Millisecond))
	}
	if now := r.status(lab.HostA).speaker(); !strings.Contains(now.LastEnd, "killed") {
		t.Errorf("%+v", now)
	}
	if out, _, _ := r.run(lab.HostA, "status"); !strings.Contains(out, "restarts: 1; the last after the process of gobgp (pid ") || !strings.Contains(out, "signal: killed") {
		t.Errorf("status does not tell of it:\n%s", out)
	}
	r.untouched(addrs, "the kill")
}

// toldAgain waits until a route server hears the route again, and gives the time.
func (r *rig) toldAgain(server string, since time.Time) (at time.Time) {
	r.t.Helper()
	r.until("the route again at "+server, 30*time.Second, func() (bool, string) {
		events := r.told(lab.HostA, server, since)
		for _, e := range events {
			if e.Kind == rs.Update {
				at = e.Time
				return true, ""
			}
		}
		return false, fmt.Sprint(events)
	})
	return at
}

// TestBabblingPeer: one of four route servers sends a message that ends GoBGP,
// each time that it is let in. The others lose their session once, and no more.
func TestBabblingPeer(t *testing.T) {
	r := isolated(t)
	addrs, servers := r.addresses(), r.RouteServers()
	bad, good := servers[0], servers[1:]
	babbled := time.Now()
	if err := r.Babble(bad, lab.HostA); err != nil {
		t.Fatal(err)
	}
	for _, server := range good {
		t.Logf("%s told again after %s", server, r.toldAgain(server, babbled).Sub(babbled).Round(time.Millisecond))
	}
	var ends int
	r.until("the peer let in and out three times more", 60*time.Second, func() (bool, string) {
		events := r.told(lab.HostA, bad, babbled)
		ends = 0
		for _, e := range events {
			if e.Kind == rs.Established {
				ends++
			}
		}
		return ends >= 3, fmt.Sprint(events)
	})
	r.until("the peer is named", 20*time.Second, func() (bool, string) {
		_, why := r.status(lab.HostA).peer(bad)
		return strings.Contains(why, "ended the BGP process (panic: ") && strings.Contains(why, "held back until"), why
	})
	for _, server := range good {
		downs := 0
		for _, e := range r.told(lab.HostA, server, babbled) {
			if e.Kind == rs.Down {
				downs++
			}
		}
		if downs != 1 {
			t.Errorf("%s lost its session %d times", server, downs)
		}
		if got, err := r.routes(lab.HostA, server); err != nil || !slices.Equal(got, []string{route}) {
			t.Errorf("%s: %v %v", server, got, err)
		}
	}
	v := r.status(lab.HostA)
	if s := v.speaker(); s.Restarts != 1 || !strings.Contains(s.LastEnd, "panic: ") {
		t.Errorf("%+v", s)
	}
	select {
	case <-r.proc[lab.HostA].Done():
		t.Error("the daemon ended")
	default:
	}
	out, _, code := r.run(lab.HostA, "status")
	t.Logf("exit code %d\n%s", code, out)
	r.untouched(addrs, "the crashes")
	r.stop(lab.HostA)
	for _, server := range good {
		r.until("the goodbye to "+server, 5*time.Second, func() (bool, string) {
			events := r.told(lab.HostA, server, babbled)
			last := events[len(events)-1]
			return strings.Contains(last.Detail, "received NOTIFICATION 6/"), fmt.Sprintf("%+v", last)
		})
	}
}

// TestStopOfAll: a service manager's SIGTERM to all processes at once is as
// orderly as one to the daemon alone.
func TestStopOfAll(t *testing.T) {
	r := isolated(t)
	child := r.status(lab.HostA).speaker().PID
	began := time.Now()
	if err := syscall.Kill(child, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.stop(lab.HostA)
	for _, server := range r.RouteServers() {
		r.until("an orderly end at "+server, 5*time.Second, func() (bool, string) {
			var kinds []string
			for _, e := range r.told(lab.HostA, server, began) {
				kinds = append(kinds, string(e.Kind)+" "+e.Detail)
			}
			return slices.Equal(kinds, []string{"withdraw ", "down received NOTIFICATION 6/3"}), fmt.Sprintf("%q", kinds)
		})
	}
	if syscall.Kill(child, 0) == nil {
		t.Error("the speaker outlived the daemon")
	}
}

// TestDaemonKilled: the speaker and its sessions end with the daemon.
func TestDaemonKilled(t *testing.T) {
	r := isolated(t)
	child := r.status(lab.HostA).speaker().PID
	if err := r.proc[lab.HostA].Kill(r.limit(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	r.until("the end of the speaker", 20*time.Second, func() (bool, string) {
		state, _ := os.ReadFile(filepath.Join("/proc", fmt.Sprint(child), "stat"))
		return syscall.Kill(child, 0) != nil, string(state)
	})
	r.holds(lab.HostA, 5*time.Second)
}
