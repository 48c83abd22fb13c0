package hosts_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// maxExposure is what `systemd-analyze security` may give stentor.service.
const maxExposure = 3.5

// TestPackage leads a host through the life of the Debian package: install,
// use, upgrades, removal, purge.
func TestPackage(t *testing.T) {
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	built := buildPackages(t)
	first := filepath.Join(built, "stentor_0.1.0-1_"+debArch(t)+".deb")
	t.Run("lintian", func(t *testing.T) {
		t.Parallel()
		if _, err := exec.LookPath("lintian"); err != nil {
			t.Skip("needs the package lintian")
		}
		out, err := exec.Command("nice", "lintian", "--allow-root", "--fail-on", "error,warning", first).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("lintian: %v\n%s", err, out)
		}
	})
	t.Run("life", func(t *testing.T) {
		t.Parallel()
		packageLife(t, first, repacked(t, first, "0.2.0-1"))
	})
	for _, s := range sandboxes {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			worksInSandbox(t, s, first)
		})
	}
	t.Run("rpm", func(t *testing.T) {
		t.Parallel()
		rpmLife(t, built)
	})
}

// buildPackages makes the .deb and the .rpm of this source, and gives their folder.
func buildPackages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("nice", "go", "run", "./contrib/packaging", "-version", "0.1.0", "-arch", runtime.GOARCH, "-formats", "deb,rpm", "-out", dir)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func debArch(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("dpkg", "--print-architecture").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// repacked is a package with another version and all else the same.
func repacked(t *testing.T, deb, version string) string {
	t.Helper()
	dir := t.TempDir()
	out := filepath.Join(dir, "next.deb")
	script := `dpkg-deb -R "$1" "$2/x" && sed -i "s/^Version: .*/Version: $3/" "$2/x/DEBIAN/control" && dpkg-deb -Znone -b "$2/x" "$4"`
	if text, err := exec.Command("sh", "-c", script, "sh", deb, dir, version, out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func packageLife(t *testing.T, first, second string) {
	r := bareRig(t, stack{suite: hosts.Bookworm, profile: hosts.Networkd, backend: "networkd"})
	for path, deb := range map[string]string{"/root/first.deb": first, "/root/second.deb": second} {
		text, err := os.ReadFile(deb)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.host.Put(path, hosts.File{Content: string(text), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
	}
	before := r.census()

	r.do("dpkg -i /root/first.deb")
	r.unit("enabled", "inactive")
	r.do("id stentor && test -d /etc/stentor/conf.d && test ! -e /etc/stentor/stentor.toml")
	if res := r.try("systemctl start stentor"); res.Code == 0 || !strings.Contains(res.Stderr, "Assertion failed") {
		t.Errorf("a start without a config: %s", res)
	}
	r.exposure()

	// In its sandbox it does all that it does outside.
	r.config(web)
	r.do("stentor setup && systemctl daemon-reload && systemctl start stentor")
	r.exposure()
	r.settled(web)
	r.speaker()
	r.config(web, dns)
	r.do("systemctl reload stentor")
	r.stentor(0, "apply")
	r.holds(web, dns)

	// A mistake fails the reload, is shown, and changes nothing.
	pid := r.pid()
	r.do("cp " + conf + " /root/good && echo 'mistake = 1' >>" + conf)
	if res := r.try("systemctl reload stentor"); res.Code == 0 {
		t.Error("a reload of a config with a mistake is said to have succeeded")
	}
	if out := r.try("systemctl status stentor"); !strings.Contains(out.Stdout, conf+":") || !strings.Contains(out.Stdout, "mistake") {
		t.Errorf("systemctl status does not show the mistake: %s", out)
	}
	r.unit("enabled", "active")
	r.holds(web, dns)
	r.do("cp /root/good " + conf)

	// The way back of a trial is a unit of its own.
	r.config(api, dns)
	r.stentor(0, "apply --confirm 60s")
	r.holds(api, dns)
	if out := r.do("systemctl list-units --plain --no-legend 'stentor-guard-*'"); !strings.Contains(out, "running") {
		t.Errorf("the guard is in no unit of its own: %s", r.do("systemd-cgls --no-pager -u stentor.service"))
	}
	r.stentor(0, "confirm")

	// An upgrade restarts it, and keeps what was edited.
	r.do("echo '# mine' >>/etc/default/stentor")
	r.do("dpkg --force-confdef -i /root/second.deb")
	r.unit("enabled", "active")
	if r.pid() == pid {
		t.Error("the upgrade did not restart the daemon")
	}
	r.settled(api, dns)
	r.do("grep -qx '# mine' /etc/default/stentor")

	// Unless it was told not to.
	r.do("echo STENTOR_RESTART_ON_UPGRADE=no >>/etc/default/stentor")
	pid = r.pid()
	if out := r.do("dpkg --force-confdef -i /root/first.deb 2>&1"); !strings.Contains(out, "when it suits: systemctl restart stentor") {
		t.Errorf("the upgrade does not say that the daemon was left alone:\n%s", out)
	}
	if r.pid() != pid {
		t.Error("the upgrade restarted the daemon")
	}
	r.speaker()

	// One that is stopped, or disabled, stays so.
	r.do("systemctl disable --now stentor && dpkg --force-confdef -i /root/second.deb")
	r.unit("disabled", "inactive")

	// The addresses alone, by the other unit.
	r.config(web)
	r.do("systemctl start stentor-apply")
	r.holds(web)
	r.do("systemctl enable --now stentor")

	r.config()
	r.stentor(0, "apply")
	r.do("dpkg -r stentor")
	if out := r.try("systemctl is-active stentor"); out.Stdout != "inactive\n" {
		t.Errorf("after the removal: %s", out)
	}
	r.do("test -e " + conf + " && test -d /var/lib/stentor && grep -qx '# mine' /etc/default/stentor")

	r.do("dpkg -P stentor")
	if d := cmp.Diff(before, r.census()); d != "" {
		t.Errorf("before the install (-) and after the purge (+):\n%s", d)
	}
}

// bareRig boots a host without any program of ours.
func bareRig(t *testing.T, s stack) *rig {
	t.Helper()
	h, err := hosts.Boot(context.Background(), hosts.Options{Suite: s.suite, Profile: s.profile})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, stack: s, host: h}
	t.Cleanup(func() {
		if t.Failed() {
			r.views()
		}
		if err := h.Remove(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) try(script string) hosts.Result {
	r.t.Helper()
	res, err := r.host.Exec(context.Background(), script)
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// unit expects what systemctl says of stentor.service.
func (r *rig) unit(enabled, active string) {
	r.t.Helper()
	want := enabled + "\n" + active + "\n"
	if got := r.try("systemctl is-enabled stentor; systemctl is-active stentor").Stdout; got != want {
		r.t.Fatalf("stentor.service is %q, want %q", got, want)
	}
}

func (r *rig) pid() string { return r.do("systemctl show --value -p MainPID stentor") }

// exposure asks systemd how much of the system the unit can reach.
func (r *rig) exposure() {
	r.t.Helper()
	out := r.do("systemd-analyze security --no-pager stentor.service")
	_, line, _ := strings.Cut(out, "Overall exposure level for stentor.service: ")
	number, _, _ := strings.Cut(line, " ")
	score, err := strconv.ParseFloat(number, 64)
	if err != nil {
		r.t.Fatalf("systemd-analyze security:\n%s", out)
	}
	r.t.Logf("exposure %.1f", score)
	if score > maxExposure {
		r.t.Errorf("exposure %.1f, want %.1f at most:\n%s", score, maxExposure, out)
	}
}

// speaker expects the BGP speaker in a process without rights.
func (r *rig) speaker() {
	r.t.Helper()
	r.eventually("the speaker runs as the user stentor, without capabilities", func() bool {
		out := r.try(`for p in $(pgrep -u stentor); do grep -h '^CapEff:\|^CapBnd:\|^NoNewPrivs:' /proc/$p/status; done`).Stdout
		return strings.Contains(out, "CapEff:\t0000000000000000\n") && strings.Contains(out, "NoNewPrivs:\t1\n")
	})
}

// census is each file of the system, but for what dpkg and systemd note, and
// the accounts: a user that was made stays.
func (r *rig) census() map[string]string {
	r.t.Helper()
	r.do("dpkg --verify >/root/verify; test ! -s /root/verify || ! grep -v '^??5?????? c \\|missing' /root/verify")
	all := map[string]string{}
	out := r.do(`find /etc /usr /lib /opt /srv /var/lib -xdev \( -type f -o -type l -o -type d -name 'stentor*' \) -printf '%p\t%s %T@ %m %u %l\n'`)
	for line := range strings.Lines(out) {
		path, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if noted(path) {
			continue
		}
		all[path] = rest
	}
	if len(all) < 1000 {
		r.t.Fatalf("only %d files: %s", len(all), fmt.Sprint(all))
	}
	return all
}

func noted(path string) bool {
	for _, accounts := range []string{"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/.pwd.lock"} {
		if path == accounts || path == accounts+"-" {
			return true
		}
	}
	for _, dir := range []string{"/var/lib/dpkg/", "/var/lib/systemd/", "/var/lib/private/"} {
		if strings.HasPrefix(path, dir) {
			return true
		}
	}
	return false
}
