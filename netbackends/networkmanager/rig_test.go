package networkmanager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/nstest"
	"github.com/stentor-net/stentor/plugins"
)

// vxlan stands in for dummy, which not every kernel has: a link without a peer
// that is always up.
var vxlan = device{link: "stentor0", kind: "vxlan", options: map[string]any{"id": uint32(7)}, uuid: dummy.uuid}

// rig is a real NetworkManager on a bus of its own, in a network namespace.
type rig struct {
	t   *testing.T
	ns  *nstest.NS
	dir string
	nm  *exec.Cmd
	log *output
}

const busConfig = `<busconfig><type>system</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy></busconfig>`

// dns=none and the like: it must not touch files of the machine.
const nmConfig = `[main]
plugins=keyfile
auth-polkit=false
dns=none
rc-manager=unmanaged
no-auto-default=*
[keyfile]
path=%s/profiles
`

func newRig(t *testing.T) *rig {
	t.Helper()
	for _, program := range []string{"NetworkManager", "dbus-daemon", "nmcli", "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s (Debian: network-manager, dbus): %v", program, err)
		}
	}
	r := &rig{t: t, ns: nstest.New(t), dir: t.TempDir(), log: &output{}}
	for name, text := range map[string]string{"bus.conf": busConfig, "nm.conf": nmConfig} {
		r.write(name, fmt.Sprintf(text, r.dir))
	}
	if err := os.Mkdir(filepath.Join(r.dir, "profiles"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+r.dir+"/bus")
	bus := r.start("dbus-daemon", "--config-file="+r.dir+"/bus.conf", "--nofork", "--nopidfile")
	t.Cleanup(func() {
		// The connection that gonetworkmanager shares must not live on into
		// the next test.
		if conn, err := dbus.SystemBus(); err == nil {
			_ = conn.Close()
		}
		stop(bus)
	})
	r.until("the bus is there", func() bool { _, err := os.Stat(r.dir + "/bus"); return err == nil })
	r.ns.IP("link add eth0 type veth peer name far\nlink set far up\nlink set eth0 up\naddress add 192.0.2.7/24 dev eth0")
	r.startNM()
	t.Cleanup(r.stopNM)
	return r
}

func (r *rig) startNM() {
	r.t.Helper()
	// /sys read-only: NetworkManager then waits for no udev.
	script := `mount --make-rprivate / && mount -t sysfs -o ro sysfs /sys && mount --bind "$0/run" /run &&
exec NetworkManager --debug --config="$0/nm.conf" --config-dir="$0/none" --intern-config="$0/none.conf" --state-file="$0/state" --pid-file="$0/pid"`
	if err := os.MkdirAll(filepath.Join(r.dir, "run"), 0o755); err != nil {
		r.t.Fatal(err)
	}
	r.log = &output{}
	r.nm = r.start("unshare", "-m", "sh", "-c", script, r.dir)
	r.until("NetworkManager is ready", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		state, err := exec.CommandContext(ctx, "nmcli", "-g", "RUNNING", "general").Output()
		return err == nil && strings.TrimSpace(string(state)) == "running"
	})
}

func (r *rig) stopNM() {
	stop(r.nm)
	if r.t.Failed() {
		r.t.Logf("NetworkManager said:\n%s", r.log.last(60))
	}
}

// start runs a daemon in the namespace.
func (r *rig) start(name string, args ...string) *exec.Cmd {
	r.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = r.log, r.log
	cmd.WaitDelay = time.Second // a grandchild may keep the pipe open
	var err error
	r.ns.Do(func() { err = cmd.Start() })
	if err != nil {
		r.t.Fatal(err)
	}
	return cmd
}

func stop(cmd *exec.Cmd) {
	if cmd.ProcessState != nil {
		return
	}
	_ = cmd.Process.Signal(unix.SIGTERM)
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
	}
}

func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		if time.Now().After(deadline) {
			r.t.Fatalf("never came true: %s\n%s", what, r.log.last(30))
		}
		<-tick.C
	}
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// backend is one as after a start of the daemon.
func (r *rig) backend(d device) *Backend {
	b := New(slog.New(slog.DiscardHandler), &detect.Glance{})
	b.device = d
	b.store = store{dir: r.state()}
	b.file = filepath.Join(r.dir, "profiles", filepath.Base(fileName))
	return b
}

func (r *rig) state() string {
	dir := filepath.Join(r.dir, "stentor")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
	return dir
}

func (r *rig) apply(b *Backend, want ...string) error {
	var err error
	r.ns.Do(func() { err = b.Apply(context.Background(), vips(want...)) })
	return err
}

func (r *rig) mustApply(b *Backend, want ...string) {
	r.t.Helper()
	if err := r.apply(b, want...); err != nil {
		r.t.Fatalf("Apply(%v): %v", want, err)
	}
}

// tryPlan gives the steps as "VERB OBJECT".
func (r *rig) tryPlan(b *Backend, want ...string) ([]string, error) {
	var p plugins.Plan
	var err error
	r.ns.Do(func() { p, err = b.Plan(context.Background(), vips(want...)) })
	var steps []string
	for _, s := range p.Steps {
		steps = append(steps, s.Verb+" "+strings.ReplaceAll(s.Object, r.dir+"/profiles/", ""))
	}
	return steps, err
}

func (r *rig) plan(b *Backend, want ...string) []string {
	r.t.Helper()
	steps, err := r.tryPlan(b, want...)
	if err != nil {
		r.t.Fatalf("Plan(%v): %v", want, err)
	}
	return steps
}

func (r *rig) observe(b *Backend) []plugins.VIPState {
	r.t.Helper()
	var all []plugins.VIPState
	var err error
	r.ns.Do(func() { all, err = b.Observe(context.Background()) })
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

func (r *rig) nmcli(args ...string) string {
	r.t.Helper()
	return r.ns.Command("", "nmcli", args...)
}

var inet = regexp.MustCompile(`(?m)^\d+: (\S+) +inet6? (\S+)`)

// addresses lists what stands in the namespace as "PREFIX LINK", but for
// loopback and link-local addresses.
func (r *rig) addresses() []string {
	r.t.Helper()
	var all []string
	for _, m := range inet.FindAllStringSubmatch(r.ns.Command("", "ip", "-o", "address"), -1) {
		if p := netip.MustParsePrefix(m[2]); !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() && m[1] != "eth0" {
			all = append(all, m[2]+" "+m[1])
		}
	}
	slices.Sort(all)
	return all
}

// files lists NetworkManager's folder of profiles, with each file's mode.
func (r *rig) files() []string {
	r.t.Helper()
	entries, err := os.ReadDir(filepath.Join(r.dir, "profiles"))
	if err != nil {
		r.t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		st, err := e.Info()
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %04o", e.Name(), st.Mode().Perm()))
	}
	return all
}

// contents are the files with what they hold.
func (r *rig) contents() map[string]string {
	r.t.Helper()
	all := map[string]string{}
	for _, f := range r.files() {
		name, _, _ := strings.Cut(f, " ")
		b, err := os.ReadFile(filepath.Join(r.dir, "profiles", name))
		if err != nil {
			r.t.Fatal(err)
		}
		all[name] = string(b)
	}
	return all
}

// refused expects Apply and Plan to decline, because something is not ours.
func (r *rig) refused(b *Backend, say string, want ...string) {
	r.t.Helper()
	err := r.apply(b, want...)
	if !errors.Is(err, plugins.ErrForeign) || !strings.Contains(err.Error(), say) {
		r.t.Errorf("Apply(%v): %v\nwant one that says %q", want, err, say)
	}
	r.ns.Do(func() { _, err = b.Plan(context.Background(), vips(want...)) })
	if !errors.Is(err, plugins.ErrForeign) {
		r.t.Errorf("Plan(%v): %v", want, err)
	}
}

func (r *rig) version() version {
	r.t.Helper()
	v, err := parseVersion(strings.TrimSpace(r.nmcli("-g", "VERSION", "general")))
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// loStands checks that nothing took lo's own addresses.
func (r *rig) loStands() {
	r.t.Helper()
	lo := r.ns.Command("", "ip", "-o", "address", "show", "dev", "lo")
	for _, a := range []string{" 127.0.0.1/8 ", " ::1/128 "} {
		if !strings.Contains(lo, a) {
			r.t.Errorf("lo lost%s:\n%s", a, lo)
		}
	}
}

// vip is written NAME ADDRESS [LINK].
func vip(s string) plugins.VIP {
	f := append(strings.Fields(s), "lo")
	return plugins.VIP{Name: f[0], Addr: netip.MustParseAddr(f[1]), Link: f[2]}
}

func vips(list ...string) []plugins.VIP {
	var all []plugins.VIP
	for _, s := range list {
		all = append(all, vip(s))
	}
	return all
}

// output keeps what a daemon says.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(p)
}

func (o *output) last(n int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(o.all.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func (o *output) count(what string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Count(o.all.String(), what)
}
