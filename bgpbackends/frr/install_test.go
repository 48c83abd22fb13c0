package frr

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// install is an FRR on the disk, and how one host runs it.
type install struct {
	dir     string   // of the host, which frr.conf and all else of it lies below
	vtysh   []string // with what leads it to this host's daemons
	conf    string   // frr.conf
	sockets string
	daemons []string // in the order to start them in
	command func(daemon string) []string
}

func (in install) shell(args ...string) *exec.Cmd {
	return exec.Command(in.vtysh[0], slices.Concat(in.vtysh[1:], args)...)
}

// installer puts an FRR into a folder of a host.
type installer func(ctx context.Context, t testing.TB, dir string) install

// onEachFRR runs a test with the machine's own FRR, and with those of Debian's
// releases if $STENTOR_TEST_HOSTS asks for all that there is.
func onEachFRR(t *testing.T, test func(t *testing.T, put installer)) {
	t.Run("machine", func(t *testing.T) { test(t, ownFRR) })
	if !slices.Contains(strings.Fields(os.Getenv("STENTOR_TEST_HOSTS")), "all") {
		return
	}
	tried := map[string]bool{}
	for _, s := range hosts.AllSpeakers {
		if tried[s.FRRVersion] {
			continue // beside another BIRD
		}
		tried[s.FRRVersion] = true
		t.Run(s.FRRVersion, func(t *testing.T) {
			if why := hosts.Missing(); why != "" {
				t.Skip(why)
			}
			test(t, jailed(s))
		})
	}
}

// ownFRR is that of this machine, of whose folders nothing is touched.
func ownFRR(_ context.Context, t testing.TB, dir string) install {
	t.Helper()
	if _, err := os.Stat(daemonDir + "bgpd"); err != nil {
		t.Skipf("needs FRR: %v", err)
	}
	frr, err := user.Lookup("frr")
	if err != nil {
		t.Skip(err)
	}
	uid, _ := strconv.Atoi(frr.Uid) // a number on every Unix
	gid, _ := strconv.Atoi(frr.Gid)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	in := func(file string) string { return filepath.Join(dir, file) }
	for _, empty := range []string{"vtysh.conf", "empty.conf"} {
		if err := os.WriteFile(in(empty), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return install{
		dir: dir, vtysh: []string{defaultVTYSH, "--vty_socket", dir, "--config_dir", dir}, conf: in("frr.conf"), sockets: dir,
		daemons: []string{"zebra", staticd, bfdd, bgpdName},
		command: func(name string) []string {
			return []string{daemonDir + name, "-f", in("empty.conf"), "-i", in(name + ".pid"), "-z", in("zserv.api"),
				"--vty_socket", dir, "-A", "127.0.0.1", "-P", "0", "--log", "stdout"}
		},
	}
}

// jailed is one of a root of package hosts.
func jailed(s hosts.Speakers) installer {
	return func(ctx context.Context, t testing.TB, dir string) install {
		t.Helper()
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		j, err := s.Jail(ctx, dir)
		if err != nil {
			t.Fatal(err)
		}
		names, argv := j.FRR()
		return install{
			dir: dir, vtysh: []string{filepath.Join(dir, "bin/vtysh")}, conf: filepath.Join(dir, "etc/frr/frr.conf"), sockets: filepath.Join(dir, "run/frr"),
			daemons: names, command: func(name string) []string { return argv[name] },
		}
	}
}
