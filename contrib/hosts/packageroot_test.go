package hosts_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// packageRoot makes a root in which systemd does not run, as that of an image.
// Nothing of it is on this machine but files below $1, and they go with it.
const packageRoot = `
set -eu
cd "$1"
mkdir upper work root
mount -t overlay -o "lowerdir=$2,upperdir=upper,workdir=work" overlay root
mount -t proc proc root/proc
shift 2
# What is there of the package, as a person would look for it.
state() {
	echo "$1:" $(chroot root systemctl is-enabled stentor 2>/dev/null || :) \
		$(cd root; ls -d usr/bin/stentor usr/bin/lelastic etc/stentor/conf.d etc/default/stentor* var/lib/stentor usr/share/licenses/stentor 2>/dev/null || :) \
		mine=$(cat root/etc/default/stentor* 2>/dev/null | grep -c '^# mine' || :) $(chroot root id -un stentor)
}
# What an administrator does meanwhile.
edit() { echo '# mine' >>root/etc/default/stentor; }
disable() { chroot root systemctl disable stentor 2>/dev/null; }
`

// packageLives are the lives of the packages in a packageRoot. $1 and $2 are the
// program and its other name, $3 and $4 these a version later.
var packageLives = map[string]struct {
	tool, needs    string // and the package that brings it
	script, states string
}{
	"deb": {
		tool: "dpkg", needs: "dpkg",
		script: `
for i in 1 2 3 4; do eval "cp \"\$$i\" root/$i.deb"; done
chroot root dpkg -i 1.deb 2.deb >&2
state installed
chroot root lelastic -version >&2
chroot root dpkg -P stentor-lelastic >&2
disable
edit
chroot root dpkg --force-confdef -i 3.deb >&2
state upgraded
chroot root dpkg -r stentor >&2
state removed
chroot root dpkg -i 1.deb >&2
state back
chroot root dpkg -P stentor >&2
state purged
rm root/?.deb
# Nothing stays but accounts and notes of the package manager's.
cd upper
find . ! -type d ! -path './var/lib/dpkg/*' ! -path './var/log/*' ! -path './etc/*passwd*' ! -path './etc/*group*' ! -path './etc/*shadow*' ! -path './etc/.pwd.lock'
`,
		states: `installed: enabled etc/default/stentor etc/stentor/conf.d usr/bin/lelastic usr/bin/stentor var/lib/stentor mine=0 stentor
upgraded: disabled etc/default/stentor etc/stentor/conf.d usr/bin/stentor var/lib/stentor mine=1 stentor
removed: masked etc/default/stentor etc/stentor/conf.d var/lib/stentor mine=1 stentor
back: disabled etc/default/stentor etc/stentor/conf.d usr/bin/stentor var/lib/stentor mine=1 stentor
purged: mine=0 stentor
`,
	},
	// The root of another distribution: the scripts need no more than systemd's
	// tools.
	"rpm": {
		tool: "rpm", needs: "rpm",
		script: `
rpm="rpm --root $PWD/root --dbpath /var/lib/rpm --nodeps --nosignature --force-debian"
$rpm -i "$1" "$2" >&2
state installed
chroot root lelastic -version >&2
disable
edit
$rpm -U "$3" "$4" >&2
state upgraded
! $rpm -V stentor stentor-lelastic | grep -v '^S.5....T.  c /etc/default/stentor$' >&2
$rpm -e stentor-lelastic stentor >&2
state erased
`,
		states: `installed: enabled etc/default/stentor etc/stentor/conf.d usr/bin/lelastic usr/bin/stentor usr/share/licenses/stentor var/lib/stentor mine=0 stentor
upgraded: disabled etc/default/stentor etc/stentor/conf.d usr/bin/lelastic usr/bin/stentor usr/share/licenses/stentor var/lib/stentor mine=1 stentor
erased: etc/default/stentor.rpmsave etc/stentor/conf.d var/lib/stentor mine=1 stentor
`,
	},
	// Arch enables no unit, and restarts none. There sh is bash.
	"archlinux": {
		tool: "pacman", needs: "pacman-package-manager",
		script: `
mkdir cache hooks root/var/lib/pacman
ln -sf bash root/bin/sh
printf '[options]\nSigLevel = Never\nArchitecture = auto\n' >conf
pacman="pacman --root $PWD/root --dbpath $PWD/root/var/lib/pacman --cachedir $PWD/cache --hookdir $PWD/hooks --gpgdir $PWD --logfile $PWD/log --config $PWD/conf --noconfirm"
! $pacman -U "$2" >&2 # which needs the program
$pacman -U "$1" "$2" >&2
state installed
chroot root lelastic -version >&2
chroot root systemctl enable stentor 2>/dev/null
edit
$pacman -U "$3" "$4" >&2
state upgraded
$pacman -Qkk stentor stentor-lelastic >&2
$pacman -R stentor-lelastic stentor >&2
state removed
`,
		states: `installed: disabled etc/default/stentor etc/stentor/conf.d usr/bin/lelastic usr/bin/stentor usr/share/licenses/stentor var/lib/stentor mine=0 stentor
upgraded: enabled etc/default/stentor etc/stentor/conf.d usr/bin/lelastic usr/bin/stentor usr/share/licenses/stentor var/lib/stentor mine=1 stentor
removed: etc/default/stentor.pacsave etc/stentor/conf.d var/lib/stentor mine=1 stentor
`,
	},
}

// livesInRoot is the life of the packages of a format without a running systemd.
func livesInRoot(t *testing.T, format, built string) {
	life := packageLives[format]
	if _, err := exec.LookPath(life.tool); err != nil {
		t.Skip("needs the package " + life.needs)
	}
	out, said := inPackageRoot(t, life.script, built, format)
	if d := cmp.Diff(life.states, out); d != "" {
		t.Errorf("(-want +got):\n%s\n%s", d, said)
	}
}

// inPackageRoot runs a script with the packages of a format, and gives what it
// printed and what was said beside that.
func inPackageRoot(t *testing.T, script, built, format string) (out, said string) {
	t.Helper()
	root, err := hosts.Root(context.Background(), hosts.Bookworm)
	if err != nil {
		t.Fatal(err)
	}
	packages := packagesIn(t, built, format)
	args := append([]string{"-m", "-n", "--propagation", "private", "sh", "-c", packageRoot + script, "sh", t.TempDir(), root}, packages...)
	cmd := exec.Command("unshare", append(args, nextPackages(t, built, format)...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var talk strings.Builder
	cmd.Stderr = &talk
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, text, talk.String())
	}
	return string(text), talk.String()
}

// packagesIn are the program's package and that of its other name.
func packagesIn(t *testing.T, dir, format string) []string {
	t.Helper()
	suffix := map[string]string{"archlinux": "pkg.tar.zst"}[format]
	if suffix == "" {
		suffix = format
	}
	all, err := filepath.Glob(filepath.Join(dir, "stentor*."+suffix))
	if err != nil || len(all) != 2 {
		t.Fatalf("the packages of %s: %q, %v", format, all, err)
	}
	if strings.HasPrefix(filepath.Base(all[0]), "stentor-lelastic") {
		all[0], all[1] = all[1], all[0]
	}
	return all
}

// nextPackages makes version 0.2.0 of both.
func nextPackages(t *testing.T, built, format string) []string {
	t.Helper()
	dir := t.TempDir()
	depends := map[string]string{"deb": "stentor (= 0.2.0-1)", "rpm": "stentor = 0.2.0-1", "apk": "stentor=0.2.0-r1", "archlinux": "stentor=0.2.0-1"}
	for _, recipe := range []string{"nfpm.yaml", "lelastic.yaml"} {
		text, err := os.ReadFile(filepath.Join(built, "stage", recipe))
		if err != nil {
			t.Fatal(err)
		}
		quick := strings.ReplaceAll(string(text), "compression: xz", "compression: gzip")
		if err := os.WriteFile(filepath.Join(dir, recipe), []byte(quick), 0o644); err != nil {
			t.Fatal(err)
		}
		pack := exec.Command("go", "tool", "-modfile=contrib/tools/go.mod", "nfpm", "package",
			"--config", filepath.Join(dir, recipe), "--packager", format, "--target", dir+"/")
		pack.Dir, pack.Env = "../..", append(os.Environ(), "SOURCE_DATE_EPOCH=1800000000", "ARCH="+runtime.GOARCH, "VERSION=0.2.0", "STENTOR="+depends[format])
		if out, err := pack.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return packagesIn(t, dir, format)
}
