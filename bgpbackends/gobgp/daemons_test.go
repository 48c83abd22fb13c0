package gobgp

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// daemon runs a program until the test ends or stop is called.
type daemon struct {
	*testing.T
	cmd  *exec.Cmd
	gone chan struct{}
}

func start(t *testing.T, program string, args ...string) *daemon {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{T: t, cmd: exec.Command(program, args...), gone: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		d.cmd.Wait() // killed, so there is no result of use
		close(d.gone)
	}()
	t.Cleanup(func() {
		d.stop(syscall.SIGKILL)
		if raw, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s said:\n%s", program, raw)
		}
		log.Close()
	})
	return d
}

func (d *daemon) stop(sig syscall.Signal) {
	d.cmd.Process.Signal(sig) // an error says that it is gone already
	<-d.gone
}

// need skips the test where a program is missing.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s: %v", program, err)
	}
}

const bgpd = "/usr/lib/frr/bgpd"

// frr is a bgpd without zebra; it knows neighbours and installs nothing.
type frr struct {
	*daemon
	dir string
}

func (l *lab) frr(dir, config string) *frr {
	l.Helper()
	need(l.T, bgpd)
	need(l.T, "vtysh")
	conf := filepath.Join(dir, "bgpd.conf")
	if err := os.WriteFile(conf, []byte(config), 0o600); err != nil {
		l.Fatal(err)
	}
	return &frr{dir: dir, daemon: start(l.T, bgpd,
		"--skip_runas", "--no_zebra", "--no_kernel", "-f", conf, "-i", filepath.Join(dir, "bgpd.pid"),
		"--vty_socket", dir, "-z", filepath.Join(dir, "zserv"), "-P", "0", "--log", "stdout")}
}

// show asks vtysh for JSON; nil while bgpd does not answer.
func (f *frr) show(command string) map[string]any {
	out, err := exec.Command("vtysh", "--vty_socket", f.dir, "-d", "bgpd", "-c", command+" json").Output()
	if err != nil {
		return nil
	}
	var v map[string]any
	if json.Unmarshal(out, &v) != nil {
		return nil
	}
	return v
}

// at follows keys into nested objects; a number picks an element.
func at(v any, path ...any) any {
	for _, key := range path {
		switch key := key.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[key]
		case int:
			l, _ := v.([]any)
			if key >= len(l) {
				return nil
			}
			v = l[key]
		}
	}
	return v
}

const birdProgram = "/usr/sbin/bird"

type bird struct {
	*daemon
	socket string
}

func (l *lab) bird(config string) *bird {
	l.Helper()
	need(l.T, birdProgram)
	need(l.T, "birdc")
	dir := l.TempDir()
	conf := filepath.Join(dir, "bird.conf")
	if err := os.WriteFile(conf, []byte(config), 0o600); err != nil {
		l.Fatal(err)
	}
	b := &bird{socket: filepath.Join(dir, "ctl")}
	b.daemon = start(l.T, birdProgram, "-f", "-c", conf, "-s", b.socket, "-P", filepath.Join(dir, "pid"))
	return b
}

// show gives what birdc prints.
func (b *bird) show(command string) string {
	out, err := exec.Command("birdc", append([]string{"-s", b.socket}, strings.Fields(command)...)...).CombinedOutput()
	if err != nil {
		return err.Error() + ": " + string(out)
	}
	return string(out)
}
