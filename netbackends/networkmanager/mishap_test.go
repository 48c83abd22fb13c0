package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/plugins"
)

func TestNetworkManagerRestarts(t *testing.T) {
	r := newRig(t)
	b := r.backend(vxlan)
	r.mustApply(b, web, dns)
	host := r.addresses()
	r.stopNM()
	if d := cmp.Diff(host, r.addresses()); d != "" {
		t.Errorf("while it is down (-want +got):\n%s", d)
	}
	_, err := r.tryPlan(b, web, dns)
	if !errors.Is(err, plugins.ErrUnavailable) || !strings.Contains(err.Error(), "NetworkManager is not running; start it with: systemctl start NetworkManager") {
		t.Errorf("Plan while it is down: %v", err)
	}
	r.startNM()
	if d := cmp.Diff(host, r.addresses()); d != "" {
		t.Errorf("after it came back (-want +got):\n%s", d)
	}
	r.until("there is nothing to do", func() bool { p, err := r.tryPlan(b, web, dns); return err == nil && len(p) == 0 })
	r.mustApply(b)
	if a := r.addresses(); len(a) > 0 {
		t.Errorf("it left %v", a)
	}
}

// NetworkManager forgets its checkpoints when it restarts. What was begun is
// taken back all the same.
func TestRestartInTheMiddle(t *testing.T) {
	for _, tt := range []struct {
		name       string
		have, want []string
		at         string
		host       []string
	}{
		{"add", nil, []string{web}, "activate the profile", nil},
		{"change", []string{web}, []string{dns}, "reapply the profile", []string{"203.0.113.10/32 stentor0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			b := r.backend(vxlan)
			r.mustApply(b, tt.have...)
			before := r.contents()
			b.step = func(name string) error {
				if name == tt.at {
					r.stopNM()
					r.startNM()
					return errors.New("NetworkManager was restarted")
				}
				return nil
			}
			if err := r.apply(b, tt.want...); err == nil || err.Error() != "NetworkManager was restarted" {
				t.Errorf("Apply: %v", err)
			}
			r.until("the old addresses are back", func() bool { return cmp.Equal(tt.host, r.addresses()) })
			if d := cmp.Diff(before, r.contents()); d != "" {
				t.Errorf("files (-before +after):\n%s", d)
			}
			b = r.backend(vxlan)
			r.mustApply(b, tt.want...)
			r.mustApply(b)
		})
	}
}

// killed is a crash: nothing that comes after a step is done, not even what
// takes back.
type killed struct{ step string }

// killAt applies want with a crash at the n-th step, and tells whether there
// are so many.
func (r *rig) killAt(n int, want []string) (step string, crashed bool) {
	b := r.backend(vxlan)
	b.step = func(name string) error {
		if n--; n < 0 {
			panic(killed{name})
		}
		return nil
	}
	r.ns.Do(func() {
		defer func() {
			if k, ok := recover().(killed); ok {
				step, crashed = k.step, true
			}
		}()
		if err := b.Apply(context.Background(), vips(want...)); err != nil {
			r.t.Errorf("Apply: %v", err)
		}
	})
	return step, crashed
}

// After a crash at any step the next Apply gives exactly what it is asked for,
// be it the old or the new.
func TestCrash(t *testing.T) {
	r := newRig(t)
	old, changed := []string{web, dns}, []string{dns, api}
	host := map[bool][]string{
		false: {"2001:db8::10/128 stentor0", "203.0.113.10/32 stentor0"},
		true:  {"2001:db8::10/128 stentor0", "203.0.113.11/32 stentor0"},
	}
	for _, tt := range []struct {
		name       string
		have, want []string
	}{
		{"add", nil, changed},
		{"change", old, changed},
		{"remove", changed, nil},
	} {
		points := 0
		for n, crashed := 0, true; crashed; n++ {
			r.mustApply(r.backend(vxlan), tt.have...)
			var step string
			step, crashed = r.killAt(n, tt.want)
			if crashed {
				points++
			}
			for _, next := range [][]string{changed, old, nil} {
				b := r.backend(vxlan)
				r.mustApply(b, next...)
				want := host[cmp.Equal(next, changed)]
				if next == nil {
					want = nil
				}
				if d := cmp.Diff(want, r.addresses()); d != "" {
					t.Errorf("%s, killed at %q, then %v (-want +got):\n%s", tt.name, step, next, d)
				}
				if again := r.plan(b, next...); len(again) > 0 {
					t.Errorf("%s, killed at %q, then %v: a second Apply would %v", tt.name, step, next, again)
				}
			}
			if f := r.files(); len(f) > 0 {
				t.Errorf("%s, killed at %q: it left %v", tt.name, step, f)
			}
		}
		if points < 2 {
			t.Errorf("%s has %d points only", tt.name, points)
		}
	}
}

// An error at any step leaves what was there before.
func TestTakeBack(t *testing.T) {
	r := newRig(t)
	for _, tt := range []struct {
		have, want []string
		at         []string
		host       []string
	}{
		{nil, []string{web}, []string{"add the profile", "activate the profile"}, nil},
		{[]string{web}, []string{web, dns}, []string{"change the profile", "reapply the profile"}, []string{"203.0.113.10/32 stentor0"}},
		{[]string{web}, nil, []string{"delete the profile"}, []string{"203.0.113.10/32 stentor0"}},
	} {
		r.mustApply(r.backend(vxlan), tt.have...)
		before := r.contents()
		for _, at := range tt.at {
			b := r.backend(vxlan)
			failed := errors.New("it fails")
			b.step = func(name string) error {
				if name == at {
					return failed
				}
				return nil
			}
			if err := r.apply(b, tt.want...); err != failed {
				t.Errorf("at %q: %v", at, err)
			}
			r.until("the old addresses are back", func() bool { return cmp.Equal(tt.host, r.addresses()) })
			if d := cmp.Diff(before, r.contents()); d != "" {
				t.Errorf("at %q: files (-before +after):\n%s", at, d)
			}
			r.until("there is nothing to do", func() bool { p, err := r.tryPlan(b, tt.have...); return err == nil && len(p) == 0 })
		}
	}
}

func TestCheckpointOfOthers(t *testing.T) {
	r := newRig(t)
	b := r.backend(vxlan)
	r.mustApply(b, web)
	before := r.contents()
	err := r.withCheckpoint(b, func() error { return r.apply(b, web, dns) })
	if !errors.Is(err, plugins.ErrUnavailable) || !strings.Contains(err.Error(), "/org/freedesktop/NetworkManager/Checkpoint/") {
		t.Errorf("Apply: %v", err)
	}
	if d := cmp.Diff(before, r.contents()); d != "" {
		t.Errorf("files (-before +after):\n%s", d)
	}
	r.mustApply(b, web, dns)
}

// withCheckpoint has another tool hold a checkpoint during f.
func (r *rig) withCheckpoint(b *Backend, f func() error) error {
	r.t.Helper()
	ctx := context.Background()
	m, err := dial(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	defer m.close()
	c, err := m.carrier(ctx, b.device.link)
	if err != nil {
		r.t.Fatal(err)
	}
	cp, err := m.checkpoint(ctx, c)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() {
		if err := m.destroy(ctx, cp); err != nil {
			r.t.Error(err)
		}
	}()
	return f()
}

// A NetworkManager that hangs costs the caller's time and no more.
func TestHungNetworkManager(t *testing.T) {
	r := newRig(t)
	b := r.backend(vxlan)
	r.mustApply(b, web)
	signal := func(s unix.Signal) {
		if err := r.nm.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(unix.SIGSTOP)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var err error
	r.ns.Do(func() { _, err = b.Plan(ctx, vips(web)) })
	signal(unix.SIGCONT)
	if !errors.Is(err, plugins.ErrUnavailable) || !strings.Contains(err.Error(), "gave no answer in time") {
		t.Errorf("Plan: %v", err)
	}
	r.until("it works again", func() bool { p, err := r.tryPlan(b, web); return err == nil && len(p) == 0 })
}

// The same of a bus that takes connections and says nothing.
func TestHungBus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+path)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := dial(ctx); !errors.Is(err, plugins.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("dial: %v", err)
	}
}

func TestNoBus(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	if _, err := dial(context.Background()); !errors.Is(err, plugins.ErrUnavailable) {
		t.Errorf("dial: %v", err)
	}
}

// within gives up on a call that never returns.
func TestWithin(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	ctx, cancel := context.WithCancel(context.Background())
	never := make(chan struct{})
	defer close(never)
	entered := make(chan struct{})
	go func() { <-entered; cancel() }()
	_, err := within(ctx, func() (int, error) { close(entered); <-never; return 1, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	v, err := within(context.Background(), func() (int, error) { return 7, nil })
	if v != 7 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
}

func TestNoFolder(t *testing.T) {
	r := newRig(t)
	b := r.backend(vxlan)
	r.mustApply(b)
	if err := os.RemoveAll(filepath.Join(r.dir, "profiles")); err != nil {
		t.Fatal(err)
	}
	r.write("profiles", "a file in the folder's place, which no mode bits keep root from\n")
	err := r.apply(b, web)
	if err == nil || !strings.Contains(err.Error(), r.dir+"/profiles") {
		t.Errorf("Apply: %v; want one that names the folder", err)
	}
	if a := r.addresses(); len(a) > 0 {
		t.Errorf("it left %v", a)
	}
}

func TestWatch(t *testing.T) {
	r := newRig(t)
	b := r.backend(vxlan)
	r.mustApply(b, web)
	r.observe(b)
	ctx, cancel := context.WithCancel(context.Background())
	changes := make(chan plugins.Change, 64)
	ended := make(chan error, 1)
	go func() { ended <- b.Watch(ctx, func(c plugins.Change) { changes <- c }) }()
	// Watch may not listen yet, so the disturbance is repeated until it is told.
	expect := func(want plugins.Change, disturb func(n int)) {
		t.Helper()
		n := 0
		r.until(fmt.Sprintf("told %+v", want), func() bool {
			disturb(n)
			n++
			for {
				select {
				case got := <-changes:
					if got == want {
						return true
					}
				case <-time.After(50 * time.Millisecond):
					return false
				}
			}
		})
	}
	expect(plugins.Change{Object: "stentor0", Why: "somebody changed profile stentor"}, func(n int) {
		r.nmcli("connection", "modify", "stentor", "connection.zone", fmt.Sprint("z", n))
	})
	expect(plugins.Change{Object: "stentor0", Why: "NetworkManager changed the state of stentor0", Lost: true}, func(n int) {
		r.nmcli("device", "disconnect", "stentor0")
	})
	r.nmcli("connection", "up", "stentor")
	r.observe(b)
	expect(plugins.Change{Object: "stentor0", Why: "somebody deleted profile stentor", Lost: true}, func(n int) {
		if n == 0 {
			r.nmcli("connection", "delete", "stentor")
		}
	})
	expect(plugins.Change{Why: "NetworkManager stopped; addresses stay"}, func(n int) {
		if n == 0 {
			r.stopNM()
		}
	})
	expect(plugins.Change{Why: "NetworkManager started"}, func(n int) {
		if n == 0 {
			r.startNM()
		}
	})
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch: %v", err)
	}
}

// A power cut right after NetworkManager wrote a profile can leave an empty
// file. Ours gets its own name again, and goes without a trace.
func TestEmptyProfile(t *testing.T) {
	r := newRig(t)
	r.write("profiles/stentor.nmconnection", "")
	b := r.backend(vxlan)
	r.mustApply(b, web)
	if d := cmp.Diff([]string{"stentor.nmconnection 0600"}, r.files()); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	r.mustApply(b)
	if f := r.files(); len(f) > 0 {
		t.Errorf("it left %v", f)
	}
}
