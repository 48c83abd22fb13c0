// Package hosts boots throw-away Debian hosts, with systemd as PID 1 and the
// network stack of choice, to try on them what a person would do.
//
// A host is a systemd-nspawn(1) container on an overlay over a cached root. It
// shares the kernel with this machine and nothing else: its mounts are in a
// mount namespace of its own, its links in a network namespace, and its
// control groups below one that it has for itself. It dies with this process.
package hosts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Options say which host.
type Options struct {
	Suite   Suite
	Profile Profile
	Files   map[string]File // laid in before the first boot, over the profile's own
	Enable  []string        // units to enable, beside the profile's own
	// Packages are installed beside the root's; an overlay with them is kept.
	Packages []string
	Uplink   *Uplink      // nil for a gateway of its own
	Log      *slog.Logger // nil for none
}

func (o Options) uplink() Uplink {
	if o.Uplink == nil {
		return Uplink{Addr4: Uplink4, Addr6: Uplink6, Gateway4: Gateway4, Gateway6: Gateway6}
	}
	return *o.Uplink
}

// bootTime is how long a host may take from power on to a settled network.
const bootTime = 90 * time.Second

// Host is a booted host, or one that is off.
type Host struct {
	Options
	name   string
	dir    string // its own folder in the cache
	layers []string
	lock   *os.File // held for as long as the host exists
	box    *box     // nil when it is off
}

// Boot makes a host and returns when its stack has configured eth0.
func Boot(ctx context.Context, o Options) (*Host, error) {
	l, err := layoutOf(o)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	layers, err := withPackages(ctx, o.Suite, slices.Concat(l.replace, o.Packages))
	if err != nil {
		return nil, err
	}
	h := &Host{Options: o, layers: layers}
	if err := h.makeDir(ctx); err != nil {
		return nil, err
	}
	err = h.furnish(l)
	if err == nil {
		err = h.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, h.Remove())
	}
	return h, nil
}

// Name is the machine's name, unlike that of any other host at this time.
func (h *Host) Name() string { return h.name }

// String tells hosts apart for people.
func (h *Host) String() string { return fmt.Sprintf("%s/%s", h.Suite, h.Profile) }

// Start is power on. It waits until systemd is done and eth0 is configured.
func (h *Host) Start(ctx context.Context) error {
	if h.box != nil {
		return fmt.Errorf("hosts: %s is on already", h)
	}
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	began := time.Now()
	box, err := startBox(h.name, h.dir, h.layers)
	if err != nil {
		return err
	}
	h.box = box
	err = h.plug(ctx)
	if err == nil {
		err = h.settled(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w\nits console ends with:\n%s", err, tail(h.Log(), 15))
	}
	h.Options.Log.Info("booted", "host", h.String(), "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// plug makes eth0 as soon as the host has a network namespace of its own, for
// which systemd waits. PID 1 is in this machine's at first.
func (h *Host) plug(ctx context.Context) error {
	plug := h.uplink().Plug
	if plug == nil {
		return nil
	}
	var path string
	err := poll(ctx, h.String()+" to power on", func() (done bool, state string) {
		leader, err := h.box.leader()
		if err != nil {
			return false, err.Error()
		}
		path = fmt.Sprintf("/proc/%d/ns/net", leader)
		// nspawn itself stays where it was started. Not /proc/self, which is
		// this process's first thread, wherever that may be at the moment.
		outside, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", h.box.cmd.Process.Pid))
		if err != nil {
			return false, err.Error()
		}
		inside, err := os.Stat(path)
		return err == nil && !os.SameFile(inside, outside), fmt.Sprint("it has no network namespace of its own ", err)
	})
	if err != nil {
		return err
	}
	return plug(path)
}

// settled waits for the end of the boot.
func (h *Host) settled(ctx context.Context) error {
	return poll(ctx, h.String()+" to be up", func() (bool, string) {
		if h.box.ended() {
			return false, "it has ended"
		}
		r, err := h.Exec(ctx, "systemctl is-system-running; ip -o address show dev eth0")
		if err != nil {
			return false, err.Error()
		}
		return up(h.Profile, h.uplink(), r)
	})
}

// up tells from the state of systemd and the addresses of eth0 whether a boot
// is over.
func up(p Profile, u Uplink, r Result) (done bool, state string) {
	state, addrs, _ := strings.Cut(r.Stdout, "\n")
	if state != "running" && state != "degraded" {
		return false, "systemd is " + state + r.Stderr
	}
	for _, a := range []string{u.Addr4, u.Addr6} {
		if p != Bare && !strings.Contains(addrs, " "+a+" ") {
			return false, "eth0 has no " + a + ":\n" + addrs
		}
	}
	return !strings.Contains(addrs, "tentative"), addrs
}

// PowerOff shuts down in order.
func (h *Host) PowerOff(ctx context.Context) error {
	if h.box == nil {
		return nil
	}
	err := h.box.halt(ctx)
	return errors.Join(err, h.PowerCut(ctx))
}

// PowerCut ends every process of the host at once. What they had written stays,
// synced or not: the kernel that holds it goes on. See VM for the real thing.
func (h *Host) PowerCut(context.Context) error {
	if h.box == nil {
		return nil
	}
	err := h.box.kill()
	h.box = nil
	return err
}

// Reboot is PowerOff and Start.
func (h *Host) Reboot(ctx context.Context) error {
	if err := h.PowerOff(ctx); err != nil {
		return err
	}
	return h.Start(ctx)
}

// Remove ends the host and deletes everything of it.
func (h *Host) Remove() error {
	err := h.PowerCut(context.Background())
	// The folder goes before the lock: who finds it unlocked may delete it.
	err = errors.Join(err, os.RemoveAll(h.dir), os.Remove(h.dir+".lock"), h.lock.Close())
	if err != nil {
		return fmt.Errorf("hosts: remove %s: %w", h, err)
	}
	return nil
}

// Log is what was on the console, all boots in one.
func (h *Host) Log() string {
	b, err := os.ReadFile(filepath.Join(h.dir, "console"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// makeDir takes a folder that is this host's own, and clears away those of
// processes that died.
func (h *Host) makeDir(ctx context.Context) error {
	parent := filepath.Join(CacheDir(), "hosts")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("hosts: %w", err)
	}
	// A lock file that nobody has locked yet looks like one of a process that died.
	one, err := lockFile(ctx, parent+".lock")
	if err != nil {
		return err
	}
	defer one.Close()
	if err := sweep(parent); err != nil {
		return err
	}
	f, err := os.CreateTemp(parent, fmt.Sprintf("%s-%s-*.lock", h.Suite, h.Profile))
	if err != nil {
		return fmt.Errorf("hosts: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return errors.Join(err, f.Close())
	}
	h.lock, h.dir = f, strings.TrimSuffix(f.Name(), ".lock")
	h.name = filepath.Base(h.dir)
	for _, d := range []string{h.dir, h.path("upper"), h.path("work"), h.path("root")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return errors.Join(fmt.Errorf("hosts: %w", err), h.Remove())
		}
	}
	return nil
}

func (h *Host) path(elem string) string { return filepath.Join(h.dir, elem) }

// sweep removes hosts whose process is gone: nobody holds their lock. Of such a
// host only files and empty control groups can be left.
func sweep(parent string) error {
	locks, err := filepath.Glob(filepath.Join(parent, "*.lock"))
	if err != nil {
		return err
	}
	for _, path := range locks {
		f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("hosts: %w", err)
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			dir := strings.TrimSuffix(path, ".lock")
			err = errors.Join(removeCgroups(filepath.Base(dir)), os.RemoveAll(dir), ignoreMissing(os.Remove(path)))
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("hosts: clear away what a crash left: %w", err)
		}
	}
	return nil
}

// furnish lays the files of a layout into a host that was never on.
func (h *Host) furnish(l layout) error {
	for path, f := range l.files {
		if err := writeFile(h.path("upper"), path, f); err != nil {
			return err
		}
	}
	units := strings.Join(l.enable, "\n") + "\n"
	return os.WriteFile(h.path("enable"), []byte(units), 0o644)
}
