package hosts_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// stack is a network stack on a release of Debian, and what drives it.
type stack struct {
	suite   hosts.Suite
	profile hosts.Profile
	backend string // as in [network] backend
	// table is the backend's own, as TOML.
	table string
	// core: a part of what `make test` runs.
	core bool
	// own is what a person runs to have the stack read its files again.
	own string
	// packages are installed beside those of every root.
	packages []string
}

func (s stack) String() string { return string(s.suite) + "/" + string(s.profile) }

// persists: what the backend did is there after a reboot.
func (s stack) persists() bool { return s.backend != "iproute" }

// nmOnLo is for containers, where the kernel may have no dummy devices.
const nmOnLo = "[backend.networkmanager]\ndevice = \"lo\"\n"

// stacks are all.
func stacks() []stack {
	var all []stack
	for _, suite := range hosts.Suites {
		core := suite == hosts.Bookworm
		all = append(all,
			stack{suite: suite, profile: hosts.Networkd, backend: "networkd", core: core, own: "networkctl reload"},
			stack{suite: suite, profile: hosts.Netplan, backend: "netplan", core: core, own: "netplan apply"},
			stack{suite: suite, profile: hosts.NMDebian, backend: "ifupdown", own: "systemctl restart NetworkManager && nm-online -q -t 20"},
			stack{suite: suite, profile: hosts.Ifupdown, backend: "ifupdown", core: core, own: "ifdown lo; ifup lo"},
			stack{suite: suite, profile: hosts.Ifupdown2, backend: "ifupdown", own: "ifreload -a"},
			stack{suite: suite, profile: hosts.Bare, backend: "iproute", core: core},
		)
		if suite != hosts.Bullseye { // NetworkManager 1.30 can't do lo, and there is no ifupdown-ng
			all = append(all,
				stack{suite: suite, profile: hosts.NM, backend: "networkmanager", table: nmOnLo, core: core, own: "systemctl restart NetworkManager && nm-online -q -t 20"},
				stack{suite: suite, profile: hosts.NetplanNM, backend: "networkmanager", table: nmOnLo, core: core, own: "systemctl restart NetworkManager && nm-online -q -t 20"},
				stack{suite: suite, profile: hosts.IfupdownNG, backend: "ifupdown", own: "ifdown lo; ifup lo"},
			)
		}
	}
	return all
}

// everything tells that $STENTOR_TEST_HOSTS asks for each stack of each release.
func everything() bool { return asked("all") || thorough() }

// thorough tells that $STENTOR_TEST_HOSTS asks for all that there is, where one
// of several that are alike would do too.
func thorough() bool { return asked("thorough") }

func asked(word string) bool {
	return slices.Contains(strings.Fields(os.Getenv("STENTOR_TEST_HOSTS")), word)
}

// once leaves each flavour of a stack one release, unless all is asked for.
func once(some []stack) []stack {
	if thorough() || !everything() {
		return some
	}
	return slices.DeleteFunc(some, func(s stack) bool { return s.suite != hosts.Bookworm })
}

// selected are those that $STENTOR_TEST_HOSTS asks for: "core" (the default),
// "all", "thorough", or a list as "trixie/netplan bookworm/nm".
func selected(t testing.TB) []stack {
	t.Helper()
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	var some []stack
	choice := strings.Fields(os.Getenv("STENTOR_TEST_HOSTS"))
	for _, s := range stacks() {
		switch {
		case everything(), slices.Contains(choice, s.String()):
			some = append(some, s)
		case s.core && (len(choice) == 0 || slices.Contains(choice, "core")):
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		t.Fatalf("STENTOR_TEST_HOSTS=%q names no stack; there are core, all, thorough, and %v", choice, stacks())
	}
	return some
}

// named tells that $STENTOR_TEST_HOSTS names single stacks: somebody waits for
// these, and for all that can be said of them.
func named() bool { return strings.Contains(os.Getenv("STENTOR_TEST_HOSTS"), "/") }

// onEach boots each of the selected hosts and runs f on it.
func onEach(t *testing.T, f func(t *testing.T, r *rig)) {
	on(t, selected(t), f)
}

func on(t *testing.T, stacks []stack, f func(t *testing.T, r *rig)) {
	t.Parallel()
	for _, s := range stacks {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			f(t, newRig(t, s))
		})
	}
}

// binDir is where binaries puts them.
var binDir string

// binaries builds what the hosts run, once.
var binaries = sync.OnceValue(func() error {
	cmd := exec.Command("go", "build", "-o", binDir, "../../cmd/stentor", "./backend")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build what the hosts run: %w\n%s", err, out)
	}
	return nil
})

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	lock, err := makeBinDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer lock.Close()
	defer os.RemoveAll(binDir)
	if err := crowd(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// crowd has three hosts live at a time for each processor, unless -parallel
// says otherwise: they wait more than they work.
func crowd() error {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if asked {
		return nil
	}
	return flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
}

// makeBinDir makes binDir and locks it for as long as this process lives, and
// clears away those of processes that were killed.
func makeBinDir() (lock *os.File, err error) {
	const prefix = "stentor-hosts-bin-"
	old, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range old {
		lock, st, err := locked(dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if time.Since(st.ModTime()) > time.Minute { // else it may be about to be locked
			err = os.RemoveAll(dir)
		}
		if err := errors.Join(err, lock.Close()); err != nil {
			return nil, err
		}
	}
	if binDir, err = os.MkdirTemp("", prefix); err != nil {
		return nil, err
	}
	lock, _, err = locked(binDir)
	return lock, err
}

func locked(dir string) (*os.File, fs.FileInfo, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, st, nil
}

// install puts a program of ours on the host.
func install(t testing.TB, h *hosts.Host, name string) {
	t.Helper()
	installAs(t, h, name, "/usr/local/bin/"+name)
}

func installAs(t testing.TB, h *hosts.Host, name, path string) {
	t.Helper()
	if err := binaries(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(binDir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Put(path, hosts.File{Content: string(b), Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
}

// do runs a script that has to succeed, and gives its output.
func do(t testing.TB, h *hosts.Host, script string) string {
	t.Helper()
	r, err := h.Exec(context.Background(), script)
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != 0 {
		t.Fatalf("on %s: %s\n%s", h, script, r)
	}
	return r.Stdout
}
