package hosts_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

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

// everything tells that $STENTOR_TEST_HOSTS asks for all there is.
func everything() bool {
	return slices.Contains(strings.Fields(os.Getenv("STENTOR_TEST_HOSTS")), "all")
}

// selected are those that $STENTOR_TEST_HOSTS asks for: "core" (the default),
// "all", or a list as "trixie/netplan bookworm/nm".
func selected(t testing.TB) []stack {
	t.Helper()
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	var some []stack
	choice := strings.Fields(os.Getenv("STENTOR_TEST_HOSTS"))
	for _, s := range stacks() {
		switch {
		case slices.Contains(choice, "all"), slices.Contains(choice, s.String()):
			some = append(some, s)
		case s.core && (len(choice) == 0 || slices.Contains(choice, "core")):
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		t.Fatalf("STENTOR_TEST_HOSTS=%q names no stack; there are core, all, and %v", choice, stacks())
	}
	return some
}

// onEach boots each of the selected hosts and runs f on it.
func onEach(t *testing.T, f func(t *testing.T, r *rig)) {
	for _, s := range selected(t) {
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
	cmd := exec.Command("go", "build", "-o", binDir, "../../cmd/stentor", "./verify")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build what the hosts run: %w\n%s", err, out)
	}
	return nil
})

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if binDir, err = os.MkdirTemp("", "stentor-test-hosts"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(binDir)
	return m.Run()
}

// install puts a program of ours on the host.
func install(t testing.TB, h *hosts.Host, name string) {
	t.Helper()
	if err := binaries(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(binDir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Put("/usr/local/bin/"+name, hosts.File{Content: string(b), Mode: 0o755}); err != nil {
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
