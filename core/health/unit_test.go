package health

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=DIR/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>`

// startBus runs a D-Bus daemon of the test's own.
func startBus(t *testing.T, dir string) (stop func()) {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skipf("%v; install dbus", err)
	}
	config := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(busConfig, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(filepath.Join(dir, "bus"))
	cmd := exec.Command(program, "--config-file="+config, "--nofork", "--nopidfile")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	until(t, "the bus is up", func() bool { // its socket is there before it listens
		conn, err := net.Dial("unix", filepath.Join(dir, "bus"))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return stop
}

// until polls until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// fakeSystemd is a fake of systemd's manager on a bus: the calls and signals that
// a check of units needs (org.freedesktop.systemd1(5)).
type fakeSystemd struct {
	conn *dbus.Conn
	mu   sync.Mutex
	// units are the properties by the name in the object's path.
	units map[string]map[string]dbus.Variant
}

const unitFolder = "/org/freedesktop/systemd1/unit/"

func newFakeSystemd(t *testing.T, dir string, units map[string]map[string]dbus.Variant) *fakeSystemd {
	t.Helper()
	conn, err := dbus.Connect("unix:path=" + filepath.Join(dir, "bus"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	f := &fakeSystemd{conn: conn, units: units}
	if err := conn.ExportMethodTable(map[string]any{"Subscribe": func() *dbus.Error { return nil }}, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"); err != nil {
		t.Fatal(err)
	}
	if err := conn.ExportSubtreeMethodTable(map[string]any{"GetAll": f.getAll}, dbus.ObjectPath(unitFolder[:len(unitFolder)-1]), "org.freedesktop.DBus.Properties"); err != nil {
		t.Fatal(err)
	}
	if reply, err := conn.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("%v, %v", reply, err)
	}
	return f
}

func (f *fakeSystemd) getAll(m dbus.Message, _ string) (map[string]dbus.Variant, *dbus.Error) {
	path, _ := m.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, p := range f.units {
		if unitFolder+sd.PathBusEscape(name) == string(path) {
			return p, nil
		}
	}
	return map[string]dbus.Variant{"LoadState": dbus.MakeVariant("not-found"), "ActiveState": dbus.MakeVariant("inactive")}, nil
}

// becomes changes a unit, and tells everybody.
func (f *fakeSystemd) becomes(t *testing.T, unit, active, sub string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := map[string]dbus.Variant{"ActiveState": dbus.MakeVariant(active), "SubState": dbus.MakeVariant(sub)}
	p := map[string]dbus.Variant{"Id": dbus.MakeVariant(unit), "LoadState": dbus.MakeVariant("loaded")}
	for k, v := range changed {
		p[k] = v
	}
	f.units[unit] = p
	err := f.conn.Emit(dbus.ObjectPath(unitFolder+sd.PathBusEscape(unit)), "org.freedesktop.DBus.Properties.PropertiesChanged", "org.freedesktop.systemd1.Unit", changed, []string{})
	if err != nil {
		t.Fatal(err)
	}
}

func loaded(id, active, sub string) map[string]dbus.Variant {
	return map[string]dbus.Variant{
		"Id": dbus.MakeVariant(id), "LoadState": dbus.MakeVariant("loaded"),
		"ActiveState": dbus.MakeVariant(active), "SubState": dbus.MakeVariant(sub),
	}
}

func TestUnit(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+dir+"/bus")
	stopBus := startBus(t, dir)
	units := func() map[string]map[string]dbus.Variant {
		maria := loaded("mariadb.service", "active", "running")
		return map[string]map[string]dbus.Variant{
			"nginx.service": loaded("nginx.service", "active", "running"),
			// An alias is another path to the same unit.
			"mariadb.service": maria, "mysql.service": maria,
		}
	}
	systemd := newFakeSystemd(t, dir, units())

	unit := func(name, of string) Spec {
		return Spec{Name: name, Probe: Unit{Name: of}, Every: time.Second, Timeout: time.Second, FastEvery: time.Second, Rise: 1, Fall: 1, Initial: Unknown, Weight: 1}
	}
	changed := make(chan struct{}, 1)
	r := New(discard(), func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	r.Set([]Spec{unit("web", "nginx.service"), unit("db", "mysql.service"), unit("none", "none.service")})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	is := func(name string, want State, output string) {
		t.Helper()
		until(t, name+" is "+string(want), func() bool {
			s := r.View()[name]
			return s.State == want && strings.Contains(s.Output, output)
		})
	}
	is("web", Up, "active (running)")
	is("db", Up, "active (running)")
	is("none", Broken, "there is no unit none.service")

	began := time.Now()
	systemd.becomes(t, "nginx.service", "deactivating", "stop-sigterm")
	is("web", Down, "deactivating")
	t.Logf("seen %s after systemd's signal", time.Since(began))
	systemd.becomes(t, "mariadb.service", "failed", "failed")
	is("db", Down, "failed")
	systemd.becomes(t, "nginx.service", "activating", "start")
	systemd.becomes(t, "nginx.service", "active", "running")
	is("web", Up, "active")

	r.Set([]Spec{unit("web", "nginx.service"), unit("late", "late.service")})
	is("late", Broken, "no unit")
	systemd.becomes(t, "nginx.service", "inactive", "dead")
	is("web", Down, "inactive")
	systemd.becomes(t, "nginx.service", "active", "running")
	is("web", Up, "active")

	stopBus()
	is("web", Broken, "systemd can't be asked")
	startBus(t, dir)
	newFakeSystemd(t, dir, units())
	is("web", Up, "active (running)")
}
