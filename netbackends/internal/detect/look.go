package detect

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stentor-net/stentor/netbackends/internal/kernel"
	"github.com/stentor-net/stentor/netbackends/internal/run"
)

// maxFile bounds what is read of one file, in bytes.
const maxFile = 1 << 20

// Host is where a View comes from. Each field is one kind of look at the
// host; tests put their own there. A nil func means that there is nothing.
type Host struct {
	Files     fs.FS // the root folder
	Uplink    func() (Link, error)
	Elsewhere func() bool
	// NameOwned tells whether a D-Bus name has an owner.
	NameOwned func(ctx context.Context, name string) bool
	// NMDevice asks NetworkManager for a link.
	NMDevice func(ctx context.Context, link string) (NMState, error)
	// Run gives the standard output of a command.
	Run func(ctx context.Context, name string, args ...string) (string, error)
}

// Look reads the running host.
func Look(ctx context.Context) (View, error) {
	busCtx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	bus := &systemBus{ctx: busCtx}
	defer bus.close()
	return Host{
		Files: os.DirFS("/"), Uplink: uplink, Elsewhere: elsewhere,
		NameOwned: bus.nameOwned, NMDevice: bus.nmDevice, Run: output,
	}.Look(ctx)
}

// At reads the running host, or, if root is not empty, the files below it: an
// image's or a chroot's.
func At(ctx context.Context, root string) (View, error) {
	if root == "" {
		return Look(ctx)
	}
	return Host{Files: os.DirFS(root)}.Look(ctx)
}

// Look takes one view. State files outlive their daemons, so they count only
// while the daemon's name is on the bus, or its unit has a process.
func (h Host) Look(ctx context.Context) (View, error) {
	var v View
	if h.Uplink != nil {
		var err error
		if v.Uplink, err = h.Uplink(); err != nil {
			return v, fmt.Errorf("find the uplink: %w", err)
		}
	}
	v.Elsewhere = h.Elsewhere != nil && h.Elsewhere()
	h.files(&v)
	if h.Uplink == nil || v.Elsewhere {
		return v, nil
	}
	h.networkManager(ctx, &v)
	h.networkd(ctx, &v)
	h.ifupdown(ctx, &v)
	h.unsupported(ctx, &v)
	return v, ctx.Err()
}

func (h Host) files(v *View) {
	v.NetplanFiles = h.glob("etc/netplan/*.yaml")
	for _, name := range v.NetplanFiles {
		var doc struct {
			Network struct {
				Renderer string `yaml:"renderer"`
			} `yaml:"network"`
		}
		// A file that does not parse is for netplan's own parser to tell.
		if err := yaml.Unmarshal(h.read(name[1:]), &doc); err == nil && doc.Network.Renderer != "" {
			v.NetplanRenderer = doc.Network.Renderer
		}
	}
	v.NMFiles = h.glob("etc/NetworkManager/system-connections/*")
	v.NetworkdFiles = h.glob("etc/systemd/network/*.network")
	s := bufio.NewScanner(bytes.NewReader(h.read("etc/network/interfaces")))
	for s.Scan() {
		if f := strings.Fields(s.Text()); len(f) >= 2 && f[0] == "iface" && f[1] != "lo" {
			v.Interfaces = true
		}
	}
}

func (h Host) networkManager(ctx context.Context, v *View) {
	const name = "org.freedesktop.NetworkManager"
	if h.NameOwned == nil || !h.NameOwned(ctx, name) {
		return
	}
	v.NM.Running = true
	if v.Uplink.Name == "" || h.NMDevice == nil {
		return
	}
	if s, err := h.NMDevice(ctx, v.Uplink.Name); err == nil {
		s.Running = true
		v.NM = s
	}
}

func (h Host) networkd(ctx context.Context, v *View) {
	owned := h.NameOwned != nil && h.NameOwned(ctx, "org.freedesktop.network1")
	if !owned && !h.unitRuns("systemd-networkd.service") {
		return
	}
	v.Networkd.Running = true
	if v.Uplink.Index > 0 {
		state := h.assignments(fmt.Sprintf("run/systemd/netif/links/%d", v.Uplink.Index))
		v.Networkd.State, v.Networkd.File = state["ADMIN_STATE"], state["NETWORK_FILE"]
	}
	// lo is link 1 in every network namespace.
	if state := h.assignments("run/systemd/netif/links/1"); state["ADMIN_STATE"] != "unmanaged" {
		v.Networkd.LoFile = state["NETWORK_FILE"]
	}
}

func (h Host) ifupdown(ctx context.Context, v *View) {
	if h.Run == nil || v.Uplink.Name == "" {
		return
	}
	out, err := h.Run(ctx, "ifup", "--version")
	if err != nil {
		return
	}
	v.Ifupdown.Version, _, _ = strings.Cut(strings.TrimSpace(out), "\n")
	for _, name := range []string{"run/network/ifstate", "run/ifstate"} {
		s := bufio.NewScanner(bytes.NewReader(h.read(name)))
		for s.Scan() {
			link, _, _ := strings.Cut(strings.TrimSpace(s.Text()), "=")
			if link == v.Uplink.Name {
				v.Ifupdown.State = "/" + name
				return
			}
		}
	}
	if active, err := h.Run(ctx, "systemctl", "is-active", "networking.service"); err != nil || strings.TrimSpace(active) != "active" {
		return
	}
	list, err := h.Run(ctx, "ifquery", "--list")
	v.Ifupdown.Listed = err == nil && slices.Contains(strings.Fields(list), v.Uplink.Name)
}

func (h Host) unsupported(ctx context.Context, v *View) {
	owned := func(name string) bool { return h.NameOwned != nil && h.NameOwned(ctx, name) }
	for _, s := range []struct {
		name string
		runs bool
	}{
		{"wicked", owned("org.opensuse.Network") || h.unitRuns("wickedd.service")},
		{"connman", owned("net.connman") || h.unitRuns("connman.service")},
		// As a service of its own; ifupdown and others start it as their DHCP client.
		{"dhcpcd", h.unitRuns("dhcpcd.service")},
		// The lock of the network service of RHEL 7 and older; NetworkManager
		// sets none.
		{"network-scripts", h.exists("var/lock/subsys/network") && h.exists("etc/sysconfig/network-scripts/ifcfg-"+v.Uplink.Name)},
	} {
		if s.runs {
			v.Unsupported = append(v.Unsupported, s.name)
		}
	}
}

// unitRuns tells whether a unit of systemd's has processes: it works without a
// bus, and a stale state file can't deceive it. Pid 0 stands for a process of
// another pid namespace (cgroups(7)): another container's.
func (h Host) unitRuns(unit string) bool {
	for _, tree := range []string{"sys/fs/cgroup", "sys/fs/cgroup/systemd", "sys/fs/cgroup/unified"} {
		for _, pid := range strings.Fields(string(h.read(path.Join(tree, "system.slice", unit, "cgroup.procs")))) {
			if pid != "0" {
				return true
			}
		}
	}
	return false
}

// glob gives absolute names of regular files that are not empty.
func (h Host) glob(pattern string) []string {
	names, _ := fs.Glob(h.Files, pattern)
	var found []string
	for _, n := range names {
		if st, err := fs.Stat(h.Files, n); err == nil && st.Mode().IsRegular() && st.Size() > 0 && path.Base(n)[0] != '.' {
			found = append(found, "/"+n)
		}
	}
	return found
}

// assignments reads KEY=VALUE lines, as systemd's state files have them.
func (h Host) assignments(name string) map[string]string {
	out := map[string]string{}
	s := bufio.NewScanner(bytes.NewReader(h.read(name)))
	for s.Scan() {
		if k, val, ok := strings.Cut(s.Text(), "="); ok {
			out[k] = val
		}
	}
	return out
}

func (h Host) exists(name string) bool {
	_, err := fs.Stat(h.Files, name)
	return err == nil
}

// read gives a file's beginning; one that can't be read is as good as none.
func (h Host) read(name string) []byte {
	f, err := h.Files.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil
	}
	b, _ := io.ReadAll(io.LimitReader(f, maxFile))
	return b
}

func uplink() (Link, error) {
	conn, err := kernel.Open()
	if err != nil {
		return Link{}, err
	}
	defer conn.Close()
	l, err := conn.Uplink()
	if errors.Is(err, fs.ErrNotExist) {
		return Link{}, nil
	}
	return Link{l.Name, l.Index}, err
}

// elsewhere compares the calling thread's network namespace with PID 1's. Who
// may not look is taken to be at home.
func elsewhere() bool {
	ours, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return false
	}
	theirs, err := os.Readlink("/proc/1/ns/net")
	return err == nil && ours != theirs
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	r, err := run.Command(ctx, name, args...)
	return r.Stdout, err
}
