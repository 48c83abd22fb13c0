package gobgp

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

// nestedEnv names the test that a child process is to run.
const nestedEnv = "GOBGP_TEST_IN_NETNS"

// inNetns runs the calling test again in a child process that has a network
// namespace of its own, in parallel with others, and reports its result. The
// caller returns at once when it gets false. A process is needed because GoBGP
// dials from any thread and keeps package variables.
//
// The namespace has nothing but lo with the addresses given.
func inNetns(t *testing.T, addrs ...string) bool {
	t.Helper()
	if os.Getenv(nestedEnv) == t.Name() {
		loopback(t, addrs)
		return true
	}
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	// Pdeathsig counts from the end of the thread that starts the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=100s")
	cmd.Env = append(os.Environ(), nestedEnv+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	switch {
	case err != nil:
		t.Fatalf("in its namespace: %v\n%s", err, out.String())
	case strings.Contains(out.String(), "--- SKIP"):
		t.Skip(out.String())
	case !strings.Contains(out.String(), "--- PASS"):
		t.Fatalf("ran nothing:\n%s", out.String())
	}
	t.Log(out.String())
	return false
}

// loopback brings lo up with the given addresses, /32 or /128 each.
func loopback(t *testing.T, addrs []string) {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	for _, s := range addrs {
		a := netip.MustParseAddr(s)
		parsed, err := netlink.ParseAddr(netip.PrefixFrom(a, a.BitLen()).String())
		if err != nil {
			t.Fatal(err)
		}
		if a.Is6() {
			parsed.Flags = syscall.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(lo, parsed); err != nil {
			t.Fatalf("add %s to lo: %v", a, err)
		}
	}
}
