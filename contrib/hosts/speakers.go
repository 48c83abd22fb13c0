package hosts

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Speakers is FRR and BIRD, and maybe gobgpd, as a release of Debian has them.
type Speakers struct {
	Suite Suite
	// BIRD is the package, as bird2 and bird3 can't be in one root.
	BIRD string
	// What `show version` and `bird --version` answer.
	FRRVersion, BIRDVersion string
	// GoBGPVersion is what `gobgpd --version` answers; empty if it is not there.
	GoBGPVersion string
}

// AllSpeakers are those that are tried, the oldest first.
var AllSpeakers = []Speakers{
	{Suite: Bullseye, BIRD: "bird2", FRRVersion: "7.5.1", BIRDVersion: "2.0.7"},
	{Suite: Bookworm, BIRD: "bird2", FRRVersion: "8.4.4", BIRDVersion: "2.0.12"},
	{Suite: Trixie, BIRD: "bird2", FRRVersion: "10.3", BIRDVersion: "2.17.5"},
	{Suite: Trixie, BIRD: "bird3", FRRVersion: "10.3", BIRDVersion: "3.1.7", GoBGPVersion: "3.36.0"},
}

// String tells them apart for people.
func (s Speakers) String() string { return fmt.Sprintf("%s+%s", s.Suite, s.BIRD) }

// Root gives the folder with an installed system that has them. It is built
// once, in about half a minute, and kept in CacheDir.
func (s Speakers) Root(ctx context.Context) (string, error) {
	packages := []string{"frr", s.BIRD}
	if s.GoBGPVersion != "" {
		packages = append(packages, "gobgpd")
	}
	args := []string{
		"--variant=essential", "--include=" + strings.Join(packages, ","),
		"--aptopt=APT::Install-Recommends \"false\"",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/man/*",
	}
	return cached(ctx, "speakers-"+s.String(), append(args, s.sources()...), func(dir string) error {
		return command(ctx, "mmdebstrap", slices.Concat(args, []string{string(s.Suite), dir}, s.sources())...)
	})
}

// sources are where packages come from, if not from the suite's own defaults:
// bullseye's security archive lists a version of FRR that it has no more.
func (s Speakers) sources() []string {
	if s.Suite == Bullseye {
		return []string{"deb " + mirror() + " bullseye main"}
	}
	return nil
}

// mirror is where this machine has its own packages from.
func mirror() string {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)").Output()
	if err != nil {
		return "" // mmdebstrap says that it can't read the line
	}
	for _, uri := range strings.Fields(string(out)) {
		if !strings.Contains(uri, "security") {
			return uri
		}
	}
	return ""
}

// Jail is a root with speakers as one host sees it: configuration, sockets and
// pid files of its own. It has no process of its own and needs no clearing
// away but for Dir: every command makes its mounts anew, and they go with it.
type Jail struct {
	// Dir is at the same path inside, so that a file below it can be named to
	// what runs there. Its etc/frr, etc/bird, run and var/tmp are the jail's.
	Dir  string
	root string
	frr  []string
}

//go:embed speakers.sh
var jailScript string

// Jail makes one in dir, an absolute path; dir/bin has vtysh, birdc and a
// script for everything else, in-root.
func (s Speakers) Jail(ctx context.Context, dir string) (*Jail, error) {
	root, err := s.Root(ctx)
	if err != nil {
		return nil, err
	}
	j := &Jail{Dir: dir, root: root}
	if err := j.furnish(ctx); err != nil {
		return nil, fmt.Errorf("hosts: jail %s: %w", dir, err)
	}
	// mgmtd came with FRR 9; zebra and staticd get their configuration from it.
	for _, name := range []string{"mgmtd", "zebra", "staticd", "bgpd", "bfdd"} {
		if _, err := os.Stat(filepath.Join(root, "usr/lib/frr", name)); err == nil {
			j.frr = append(j.frr, name)
		}
	}
	return j, nil
}

func (j *Jail) furnish(ctx context.Context) error {
	for _, d := range []string{"bin", "root", "etc", "run/frr", "run/bird", "var/tmp"} {
		if err := os.MkdirAll(filepath.Join(j.Dir, d), 0o755); err != nil {
			return err
		}
	}
	// The packages' own configuration, with its owners and modes.
	if err := command(ctx, "cp", "-a", filepath.Join(j.root, "etc/frr"), filepath.Join(j.root, "etc/bird"), filepath.Join(j.Dir, "etc")); err != nil {
		return err
	}
	for _, d := range []struct{ path, user string }{{"run/frr", "frr"}, {"run/bird", "bird"}} {
		uid, gid, err := userIn(j.root, d.user)
		if err != nil {
			return err
		}
		if err := os.Chown(filepath.Join(j.Dir, d.path), uid, gid); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(j.Dir, "var/tmp"), 0o1777); err != nil { // where FRR keeps backtraces
		return err
	}
	enter := fmt.Sprintf("#!/bin/sh\nexec unshare --mount --propagation private sh -euc '%s' sh %s %s \"$@\"\n", jailScript, quote(j.root), quote(j.Dir))
	scripts := map[string]string{"in-root": enter}
	for _, name := range []string{"vtysh", "birdc"} {
		scripts[name] = fmt.Sprintf("#!/bin/sh\nexec %s %s \"$@\"\n", quote(filepath.Join(j.Dir, "bin/in-root")), name)
	}
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(j.Dir, "bin", name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// Command is the argv that runs a program of the jail. It keeps its process, so
// that a signal to it reaches the program.
func (j *Jail) Command(argv ...string) []string {
	return append([]string{filepath.Join(j.Dir, "bin/in-root")}, argv...)
}

// FRR are the commands of its daemons by name, in the order to start them in. A
// daemon is ready when it has made run/frr/NAME.vty below Dir. They start
// with etc/frr/NAME.conf below Dir where there is one; `vtysh -b` gives them frr.conf.
func (j *Jail) FRR() (names []string, argv map[string][]string) {
	argv = map[string][]string{}
	for _, name := range j.frr {
		argv[name] = j.Command("/usr/lib/frr/"+name, "-A", "127.0.0.1", "-P", "0", "--log", "stdout")
	}
	return j.frr, argv
}

// BIRD is the command of the daemon, which reads etc/bird/bird.conf below Dir
// and listens on run/bird/bird.ctl there.
func (j *Jail) BIRD() []string { return j.Command("bird", "-f") }

// userIn looks up a user in the passwd file of a root.
func userIn(root, name string) (uid, gid int, err error) {
	b, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		return 0, 0, err
	}
	for line := range bytes.Lines(b) {
		f := strings.Split(string(line), ":") // passwd(5)
		if f[0] != name || len(f) < 4 {
			continue
		}
		uid, err = strconv.Atoi(f[2])
		if err == nil {
			gid, err = strconv.Atoi(f[3])
		}
		return uid, gid, err
	}
	return 0, 0, fmt.Errorf("root %s has no user %s", root, name)
}

func quote(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }
