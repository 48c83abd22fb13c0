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

// fileVIP is the config of a host with one VIP, that is healthy while a file is
// there: its check decides by one look, ten times a second.
func (r *rig) fileVIP(host, role, more string) (file string) {
	r.t.Helper()
	file = filepath.Join(r.folder(host, "app"), "ready")
	r.put(file, "", 0o644)
	r.write(host, fmt.Sprintf(`[network]
backend = "iproute"
[bgp]
provider = "linode"
dcid = 10
%s
[vip.web]
address = "198.18.0.1/32"
role = %q
[vip.web.check.ready]
file = %q
every = "100ms"
rise = 1
fall = 1
`, more, role, file))
	return file
}

func (r *rig) onlyVIP(check string) *watched {
	return &watched{rig: r, t: r.t, vip: "web", address: "198.18.0.1", check: "web/" + check}
}

// TestWithdrawalFollowsResult measures from the result that decides to the
// UPDATE at the last of the route servers, with each speaker. It runs while no
// other test does.
func TestWithdrawalFollowsResult(t *testing.T) {
	for _, kind := range []lab.Kind{lab.GoBGP, lab.Native, lab.FRR, lab.BIRD} {
		t.Run(string(kind), func(t *testing.T) {
			needs(t, kind)
			r := newRig(t, lab.Embedded)
			speaker := r.speaker(lab.HostA, kind)
			file := r.fileVIP(lab.HostA, "primary", fmt.Sprintf("backend = %q\n%s", kind, speaker.TOML))
			r.start(lab.HostA)
			w := r.onlyVIP("ready")
			var took []time.Duration
			for range 10 {
				w.told(byRole)
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
				told := w.told(withdrawn)
				took = append(took, told.Sub(w.is(lab.HostA, "down", "not there")))
				r.put(file, "", 0o644)
			}
			slices.Sort(took)
			t.Logf("from the deciding result to the withdrawal at the last of 4 peers: median %s of %v", (took[4]+took[5])/2, took)
		})
	}
}

// TestDampedOnTheWire has a service fail and recover each second for a minute.
// A withdrawal costs 1000, which halves in a minute, and above 3000 the VIP is
// held back: the fourth withdrawal within 45 s is the last for a while.
func TestDampedOnTheWire(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.Embedded)
	file := r.fileVIP(lab.HostA, "primary", "[damping]")
	r.start(lab.HostA)
	w := r.onlyVIP("ready")
	w.told(byRole)
	began := time.Now()
	second, end := time.NewTicker(time.Second), time.After(60*time.Second)
	defer second.Stop()
	for i, running := 0, true; running; i++ {
		if i%2 == 1 {
			r.put(file, "", 0o644)
		} else if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		select {
		case <-second.C:
		case <-end:
			running = false
		}
	}
	r.put(file, "", 0o644)
	w.is(lab.HostA, "up", "")
	failed := strings.Count(w.must(lab.HostA, "history", "check web/ready", "--lines", "0"), " -> down")
	for _, server := range r.RouteServers() {
		heard := map[rs.EventKind]int{}
		for _, e := range r.told(lab.HostA, server, began) {
			heard[e.Kind]++
		}
		t.Logf("%s, while the check failed %d times: %v", server, failed, heard)
		if heard[rs.Withdraw] != 4 || heard[rs.Update] != 3 || heard[rs.Down] != 0 {
			t.Errorf("%s heard %v, want 4 withdrawals and 3 updates", server, heard)
		}
	}
	if v, c := w.look(lab.HostA); c.State != "up" || v.State != "withdrawn" || v.Penalty <= 3000 || !strings.Contains(v.Why, "held back (damping of its flaps)") {
		t.Errorf("%+v, %+v", v, c)
	}
	w.must(lab.HostA, "failback", "web")
	w.told(byRole)
}

// TestDrainAtExit: with on_exit = "drain" a stop has the peers told, waits until
// all of them were, and for drain_grace then, and only then withdraws.
func TestDrainAtExit(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.Embedded)
	r.fileVIP(lab.HostA, "primary", "on_exit = \"drain\"\ndrain_grace = \"1s\"")
	r.fileVIP(lab.HostB, "secondary", "")
	for _, host := range []string{lab.HostB, lab.HostA} {
		r.start(host)
	}
	w := r.onlyVIP("ready")
	w.told(byRole)
	r.holds(lab.HostB, 20*time.Second, "198.18.0.1/32=65000:2") // who takes over is there too
	p := r.ping(w.address)
	r.answers(p, lab.HostA, 10*time.Second)
	began := time.Now()
	r.stop(lab.HostA)
	r.answers(p, lab.HostB, 5*time.Second)
	r.lossless(p, began, "a stop with a drain")

	heard := map[rs.EventKind][]time.Time{}
	for _, server := range r.RouteServers() {
		var said []string
		r.until("the end of the session at "+server, 5*time.Second, func() (bool, string) {
			said = nil
			for _, e := range r.told(lab.HostA, server, began) {
				said = append(said, string(e.Kind))
			}
			return len(said) > 0 && said[len(said)-1] == string(rs.Down), strings.Join(said, ", ")
		})
		if got := strings.Join(said, ", "); got != "update, withdraw, down" {
			t.Errorf("%s heard: %s", server, got)
		}
		for _, e := range r.told(lab.HostA, server, began) {
			heard[e.Kind] = append(heard[e.Kind], e.Time)
			if e.Kind == rs.Update && fmt.Sprint(e.Route.Communities) != "[65000:2 65535:0]" {
				t.Errorf("%s heard %v", server, e.Route.Communities)
			}
		}
	}
	if t.Failed() {
		return
	}
	lastTold, firstGone := slices.MaxFunc(heard[rs.Update], time.Time.Compare), slices.MinFunc(heard[rs.Withdraw], time.Time.Compare)
	t.Logf("withdrawn %s after the last peer was told", firstGone.Sub(lastTold))
	if firstGone.Before(lastTold) {
		t.Error("withdrawn from one peer before another one was told")
	}
	if grace := firstGone.Sub(began); grace < time.Second {
		t.Errorf("withdrawn %s after SIGTERM, before the end of drain_grace", grace)
	}
}

// TestFromKeepalived runs what keepalived.conf(5) gives as examples, a script
// that looks for a process and one that is notified, in a host's life.
func TestFromKeepalived(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.Embedded)
	dir := r.folder(lab.HostA, "keepalived")
	notify, err := os.ReadFile("../../../core/hooks/testdata/notify.sh")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "notify.sh")
	r.put(script, string(notify), 0o755)
	// A name of its own: the process table is everybody's.
	daemon := filepath.Join(dir, fmt.Sprintf("sshd%d", os.Getpid()%100000))
	// By another process: a child of ours that another test is just starting
	// could hold the file open for writing, and then it can't be run.
	r.sh(lab.HostA, "cp", "/bin/sleep", daemon)
	r.write(lab.HostA, fmt.Sprintf(`[network]
backend = "iproute"
[bgp]
provider = "linode"
dcid = 10
[vip.web]
address = "198.18.0.1/32"
role = "primary"
[vip.web.check.sshd]
exec = ["killall", "-0", %q]
%s
[hook.notify]
exec = [%q]
style = "keepalived"
`, filepath.Base(daemon), paced, script))
	sshd := r.serve(lab.HostA, "sshd", daemon, "1000000")
	r.start(lab.HostA)
	w := r.onlyVIP("sshd")
	said := func(lines ...string) {
		t.Helper()
		want := strings.Join(lines, "\n") + "\n"
		r.until("what the notify script wrote", 10*time.Second, func() (bool, string) {
			got, err := os.ReadFile(filepath.Join(dir, "said"))
			return string(got) == want, fmt.Sprintf("%s%v", got, err)
		})
	}
	const backup, master, fault, stop = "INSTANCE web becomes backup at 100", "INSTANCE web becomes master at 100", "INSTANCE web is in fault at 100", "INSTANCE web stops at 100"
	w.told(byRole)
	said(backup, master)
	sshd.signal(t, syscall.SIGKILL)
	w.is(lab.HostA, "down", "no process found")
	w.told(withdrawn)
	said(backup, master, fault)
	sshd.start(t)
	w.told(byRole)
	said(backup, master, fault, backup, master)
	r.stop(lab.HostA)
	said(backup, master, fault, backup, master, stop)
}
