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
	"sync"
	"testing"

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
	lelastic := filepath.Join(built, "stentor-lelastic_0.1.0-1_all.deb")
	t.Run("lintian", func(t *testing.T) {
		t.Parallel()
		if _, err := exec.LookPath("lintian"); err != nil {
			t.Skip("needs the package lintian")
		}
		out, err := exec.Command("nice", "lintian", "--allow-root", "--fail-on", "error,warning", first, lelastic).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("lintian: %v\n%s", err, out)
		}
	})
	for _, suite := range hosts.Suites {
		if suite == hosts.Bookworm || everything() {
			t.Run("life/"+string(suite), func(t *testing.T) {
				t.Parallel()
				packageLife(t, suite, first, lelastic)
			})
		}
	}
	for _, s := range sandboxes {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			worksInSandbox(t, s, first)
		})
	}
	for _, servers := range upgradeServers() {
		t.Run("upgrade/"+string(servers), func(t *testing.T) {
			t.Parallel()
			upgrades(t, servers, first)
		})
	}
	for _, format := range []string{"deb", "rpm", "archlinux", "apk"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			hasFiles(t, format, built)
			if format == "apk" {
				apkLife(t, built)
			} else {
				livesInRoot(t, format, built)
			}
		})
	}
}

// packages makes the packages of this source, once, and gives their folder.
var packages = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(binDir, "packages")
	cmd := exec.Command("nice", "go", "run", "./contrib/packaging", "-version", "0.1.0", "-arch", runtime.GOARCH, "-out", dir)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
})

func buildPackages(t *testing.T) string {
	t.Helper()
	dir, err := packages()
	if err != nil {
		t.Fatal(err)
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

// bareRig boots a host without any program of ours.
func bareRig(t *testing.T, s stack) *rig {
	t.Helper()
	return bareRigWith(t, s, hosts.Options{})
}

// bareRigWith boots one that has more than its profile.
func bareRigWith(t *testing.T, s stack, o hosts.Options) *rig {
	t.Helper()
	o.Suite, o.Profile = s.suite, s.profile
	h, err := hosts.Boot(context.Background(), o)
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
	r.scores(maxExposure, "stentor.service")
}

// scores expects systemd-analyze(1) to give a unit no more than that.
func (r *rig) scores(limit float64, unit string) {
	r.t.Helper()
	out := r.do("systemd-analyze security --no-pager " + unit)
	_, line, _ := strings.Cut(out, "Overall exposure level for ")
	_, line, _ = strings.Cut(line, ": ")
	number, _, _ := strings.Cut(line, " ")
	score, err := strconv.ParseFloat(number, 64)
	if err != nil {
		r.t.Fatalf("systemd-analyze security:\n%s", out)
	}
	r.t.Logf("exposure of %s: %.1f", unit, score)
	if score > limit {
		r.t.Errorf("exposure of %s: %.1f, want %.1f at most:\n%s", unit, score, limit, out)
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
