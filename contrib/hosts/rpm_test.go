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

// rpmScript installs, upgrades and erases an rpm in a root where systemd does
// not run, as that of an image, and tells after each what is there.
const rpmScript = `
set -eu
cd "$1"
mkdir upper work root
mount -t overlay -o "lowerdir=$2,upperdir=upper,workdir=work" overlay root
mount -t proc proc root/proc
state() {
	echo "$1: $(chroot root systemctl is-enabled stentor 2>/dev/null || :)" \
		$(cd root; ls -d usr/bin/stentor etc/stentor/conf.d etc/default/stentor* usr/share/doc/stentor usr/share/licenses/stentor 2>/dev/null || :) \
		$(grep -c '^# mine' root/etc/default/stentor 2>/dev/null || :) $(chroot root id -un stentor)
}
rpm="rpm --root $PWD/root --dbpath /var/lib/rpm --nodeps --nosignature --force-debian"
$rpm -i "$3" >&2
state installed
chroot root stentor version >&2
echo '# mine' >>root/etc/default/stentor
$rpm -U "$4" >&2
state upgraded
$rpm -e stentor >&2
state erased
`

const rpmStates = `installed: enabled etc/default/stentor etc/stentor/conf.d usr/bin/stentor usr/share/doc/stentor usr/share/licenses/stentor 0 stentor
upgraded: enabled etc/default/stentor etc/stentor/conf.d usr/bin/stentor usr/share/doc/stentor usr/share/licenses/stentor 1 stentor
erased:  etc/default/stentor.rpmsave etc/stentor/conf.d stentor
`

// rpmLife is the life of the rpm, in the root of another distribution: its
// scripts need no more than systemd's tools.
func rpmLife(t *testing.T, built string) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("needs the package rpm")
	}
	root, err := hosts.Root(context.Background(), hosts.Bookworm)
	if err != nil {
		t.Fatal(err)
	}
	first, err := filepath.Glob(filepath.Join(built, "*.rpm"))
	if err != nil || len(first) != 1 {
		t.Fatalf("%q, %v", first, err)
	}
	dir := t.TempDir()
	next := filepath.Join(dir, "next.rpm")
	pack := exec.Command("go", "tool", "-modfile=contrib/tools/go.mod", "nfpm", "package",
		"--config", filepath.Join(built, "stage", "nfpm.yaml"), "--packager", "rpm", "--target", next)
	pack.Dir, pack.Env = "../..", append(os.Environ(), "ARCH="+runtime.GOARCH, "VERSION=0.2.0")
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// Nothing of it is on this machine but files below dir, and they go with it.
	cmd := exec.Command("unshare", "-m", "-n", "--propagation", "private", "sh", "-c", rpmScript, "sh", dir, root, first[0], next)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, said.String())
	}
	if d := cmp.Diff(rpmStates, string(out)); d != "" {
		t.Errorf("(-want +got):\n%s\n%s", d, said.String())
	}
}
