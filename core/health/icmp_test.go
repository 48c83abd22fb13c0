package health

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestICMP(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, or net.ipv4.ping_group_range")
	}
	expect(t, ICMP{netip.MustParseAddr("127.0.0.1")}, patience, "+echo reply after")
	expect(t, ICMP{netip.MustParseAddr("::1")}, patience, "+echo reply after")
}

// TestICMPSilence asks where nobody is: in a network namespace of its own.
func TestICMPSilence(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // the thread ends with its goroutine, and the namespace with it
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		expect(t, ICMP{netip.MustParseAddr("192.0.2.1")}, patience, "-unreachable")
		for _, args := range [][]string{{"link", "add", "v0", "type", "veth", "peer", "name", "v1"}, {"addr", "add", "192.0.2.2/24", "dev", "v0"}, {"link", "set", "v0", "up"}, {"link", "set", "v1", "up"}} {
			if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
				t.Errorf("ip %v: %v: %s", args, err, out)
				return
			}
		}
		expect(t, ICMP{netip.MustParseAddr("192.0.2.1")}, brief, "-no echo reply in time")
	}()
	<-ended
}
