package hosts

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CacheDir is where roots are kept between runs and hosts live:
// $STENTOR_TEST_CACHE, or /var/cache/stentor-test. Whoever wants the room back
// removes it while no test runs.
func CacheDir() string {
	if dir := os.Getenv("STENTOR_TEST_CACHE"); dir != "" {
		return dir
	}
	return "/var/cache/stentor-test"
}

// packages are in every root: all stacks, none of them switched on.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "udev", "libpam-systemd", "iproute2", "iputils-ping", "procps", "kmod",
	"netplan.io", "network-manager", "ifupdown", "python3",
}

// neutral leaves a root in which no stack owns anything: a profile brings the
// one that shall.
const neutral = `
set -eu
for u in NetworkManager NetworkManager-dispatcher NetworkManager-wait-online networking \
	systemd-networkd systemd-networkd-wait-online systemd-resolved; do
	systemctl --root="$1" disable "$u.service" 2>/dev/null || true
done
for u in systemd-networkd.socket apt-daily.timer apt-daily-upgrade.timer; do
	systemctl --root="$1" disable "$u" 2>/dev/null || true
done
rm -f "$1/etc/network/interfaces" "$1"/etc/netplan/*.yaml "$1/etc/resolv.conf"
: >"$1/etc/machine-id"
echo host >"$1/etc/hostname"
printf '127.0.0.1 localhost host\n::1 localhost\n' >"$1/etc/hosts"
`

// Root gives the folder with an installed system of that suite. It is built
// once, in about a minute, and kept in CacheDir.
func Root(ctx context.Context, suite Suite) (string, error) {
	include := packages
	if suite != Bullseye { // where it is a part of the systemd package
		include = append(include[:len(include):len(include)], "systemd-resolved")
	}
	args := []string{
		"--variant=minbase", "--include=" + strings.Join(include, ","),
		"--aptopt=APT::Install-Recommends \"false\"",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--customize-hook=" + neutral, // mmdebstrap runs it by sh -c with the root as $1
	}
	return cached(ctx, string(suite), args, func(dir string) error {
		return command(ctx, "mmdebstrap", append(args, string(suite), dir)...)
	})
}

// replaceScript installs packages on an overlay; some conflict with those of the
// root. They are fetched first and installed without a network, since a
// maintainer script that started a daemon would configure this machine's links.
const replaceScript = `
set -eu
dir=$1 root=$2; shift 2
mkdir "$dir/upper" "$dir/work" "$dir/merged"
mount -t overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/merged"
cat /etc/resolv.conf >"$dir/merged/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$dir/merged/usr/sbin/policy-rc.d"
chmod 755 "$dir/merged/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot "$dir/merged" apt-get update -qq
chroot "$dir/merged" apt-get install -qq --download-only --no-install-recommends "$@"
unshare -n chroot "$dir/merged" apt-get install -y -qq --no-install-recommends "$@"
chroot "$dir/merged" apt-get clean
rm -rf "$dir/merged/usr/sbin/policy-rc.d" "$dir/merged/etc/resolv.conf" "$dir/merged/var/lib/apt/lists" "$dir/merged/etc/network/interfaces"
systemctl --root="$dir/merged" disable networking.service
umount "$dir/merged"
rm -r "$dir/work" "$dir/merged"
`

// withPackages gives the layers of an overlay, the uppermost first: the root
// of a suite, and on top of it more packages, which may replace some of its own.
func withPackages(ctx context.Context, suite Suite, more []string) ([]string, error) {
	root, err := Root(ctx, suite)
	if err != nil || len(more) == 0 {
		return []string{root}, err
	}
	name := filepath.Base(root) + "+" + strings.Join(more, "+")
	layer, err := cached(ctx, name, []string{replaceScript}, func(dir string) error {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		return command(ctx, "unshare", append([]string{"-m", "sh", "-c", replaceScript, "sh", dir, root}, more...)...)
	})
	return []string{filepath.Join(layer, "upper"), root}, err
}

// cached gives the folder NAME-HASH in the cache. A process that finds it
// missing builds it, under a lock, in a folder of another name; recipe is
// everything that the result depends on.
func cached(ctx context.Context, name string, recipe []string, build func(dir string) error) (string, error) {
	if why := Missing(); why != "" {
		return "", errors.New("hosts: " + why)
	}
	sum := sha256.Sum256([]byte(strings.Join(recipe, "\n")))
	dir := filepath.Join(CacheDir(), "roots", fmt.Sprintf("%s-%x", name, sum[:4]))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("hosts: %w", err)
	}
	lock, err := lockFile(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	half := dir + ".half"
	if err := os.RemoveAll(half); err != nil { // of a build that was cut off
		return "", fmt.Errorf("hosts: %w", err)
	}
	if err := build(half); err != nil {
		return "", fmt.Errorf("hosts: build root %s: %w", name, errors.Join(err, os.RemoveAll(half)))
	}
	if err := os.Rename(half, dir); err != nil {
		return "", fmt.Errorf("hosts: %w", err)
	}
	return dir, nil
}

// lockFile waits for a lock that ends with the file, or with the process.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	err = poll(ctx, "the lock "+path, func() (bool, string) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		return err == nil, fmt.Sprint(err)
	})
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// command runs something to its end, and gives its output only in an error.
// When ctx ends, or this process does, so do it and its children.
func command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, "nice", append([]string{name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w:\n%s", name, err, tail(string(out), 20))
	}
	return nil
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// poll calls f until it is done, or ctx ends; the error is then f's last word.
func poll(ctx context.Context, what string, f func() (done bool, state string)) error {
	for {
		done, state := f()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("hosts: waiting for %s: %w; %s", what, ctx.Err(), state)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
