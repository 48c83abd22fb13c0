package hosts_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// repacked is version 0.2.0 of a package, with all else the same.
func repacked(t *testing.T, deb string) string {
	t.Helper()
	dir := t.TempDir()
	out := filepath.Join(dir, "next.deb")
	script := `dpkg-deb -R "$1" "$2/x" && sed -i "s/0\.1\.0-1/0.2.0-1/" "$2/x/DEBIAN/control" && dpkg-deb -Znone -b "$2/x" "$3"`
	if text, err := exec.Command("sh", "-c", script, "sh", deb, dir, out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func packageLife(t *testing.T, suite hosts.Suite, first, lelastic string) {
	r := bareRig(t, stack{suite: suite, profile: hosts.Networkd, backend: "networkd"})
	for path, deb := range map[string]string{
		"/root/first.deb": first, "/root/lelastic-first.deb": lelastic,
		"/root/second.deb": repacked(t, first), "/root/lelastic-second.deb": repacked(t, lelastic),
	} {
		text, err := os.ReadFile(deb)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.host.Put(path, hosts.File{Content: string(text), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
	}
	before := r.census()

	began := time.Now()
	r.do("dpkg -i /root/first.deb")
	t.Logf("installed within %.1f s", time.Since(began).Seconds())
	r.unit("enabled", "inactive")
	r.do("id stentor && test -d /etc/stentor/conf.d && test ! -e /etc/stentor/stentor.toml")
	if res := r.try("systemctl start stentor"); res.Code == 0 || !strings.Contains(res.Stderr, "Assertion failed") {
		t.Errorf("a start without a config: %s", res)
	}
	r.exposure()
	r.lelastic()

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

	// Unless the new version would not start: then the routes would be gone.
	pid = r.pid()
	r.do("cp " + conf + " /root/good && echo 'mistake = 1' >>" + conf)
	if out := r.do("dpkg --force-confdef -i /root/first.deb 2>&1"); !strings.Contains(out, "goes on, as the new one refuses the config") {
		t.Errorf("the upgrade does not say why the daemon was left alone:\n%s", out)
	}
	if r.pid() != pid {
		t.Error("the upgrade restarted a daemon whose config has a mistake")
	}
	r.do("cp /root/good " + conf + " && dpkg --force-confdef -i /root/second.deb")
	r.settled(api, dns)

	// And unless it was told not to.
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

// lelastic is the life of the package with that name: it comes and goes with the
// version of the program that it is a name of.
func (r *rig) lelastic() {
	r.t.Helper()
	r.do("dpkg -i /root/lelastic-first.deb")
	if out := r.do("lelastic -version"); !strings.HasPrefix(out, "lelastic, by stentor 0.1.0\n") {
		r.t.Errorf("lelastic -version: %s", out)
	}
	r.unit("enabled", "inactive")
	if res := r.try("dpkg -r stentor"); res.Code == 0 {
		r.t.Error("the program can be removed under its other name")
	}
	// In the place of the vendor's own program, by the unit of its guide.
	r.do(`ip address add ` + web + `/32 dev lo
		ln -s /usr/bin/lelastic /usr/local/bin/lelastic
		printf '[Service]\nType=simple\nExecStart=/usr/local/bin/lelastic -dcid 10 -primary\n' >/etc/systemd/system/lelastic.service
		systemctl daemon-reload && systemctl start lelastic`)
	r.eventually("lelastic would announce what stands on lo", func() bool {
		return strings.Contains(r.try("stentor status --json").Stdout, `"`+web+`/32"`)
	})
	r.do(`test "$(readlink /proc/$(systemctl show --value -p MainPID lelastic)/exe)" = /usr/bin/stentor
		systemctl stop lelastic && rm /usr/local/bin/lelastic /etc/systemd/system/lelastic.service && systemctl daemon-reload
		ip address del ` + web + `/32 dev lo`)

	// As apt does, which knows both versions; with dpkg alone, one says it.
	r.do("dpkg --auto-deconfigure -i /root/second.deb /root/lelastic-second.deb")
	r.do("dpkg --auto-deconfigure -i /root/first.deb /root/lelastic-first.deb")
	r.do("dpkg -P stentor-lelastic && test ! -e /usr/bin/lelastic && stentor version")
}

// census is each file of the system, but for what dpkg and systemd note, and
// the accounts: a user that was made stays.
func (r *rig) census() map[string]string {
	r.t.Helper()
	// The roots come without documentation, which an old dpkg calls changed.
	r.do(`dpkg --verify >/root/verify; ! grep -v '^??5?????? c \|missing\| /usr/share/\(doc\|locale\)/' /root/verify`)
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
