package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// The network of a case: the host's link eth0 ends in a bridge with the
// addresses of all peers. The prefixes are from RFC 3849, RFC 5737 and RFC 4193.
var (
	bgpHost6     = netip.MustParseAddr("fd00:7e57::7")
	bgpHostOther = netip.MustParseAddr("fd00:7e57::8") // another one of the host's own
	bgpHost4     = netip.MustParseAddr("192.0.2.7")
	bgpPeer4     = netip.MustParseAddr("192.0.2.1")
)

// bgpPeer6 is the address of the nth route server, from 1 on.
func bgpPeer6(n int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("fd00:7e57::a:%x", n))
}

// bgpServers is how many IPv6 route servers there are addresses for.
const bgpServers = 4

// BGPHost is the host of one case: a network namespace of its own.
type BGPHost struct {
	space *namespace
	// Dir is a folder that is gone after the case. Any user may enter it, as
	// daemons have users of their own.
	Dir string
}

// Do runs f on a thread in the host's network namespace. Sockets that f opens
// and processes that f starts are on the host for good; goroutines that it
// starts are not. Do waits for other calls of Do.
func (h *BGPHost) Do(f func() error) error { return h.space.do(f) }

// bgpNet is the network of one case.
type bgpNet struct {
	host  *BGPHost
	peers *namespace
}

// newBGPNet makes the network. With here, the host is where this process is.
func newBGPNet(here bool) (_ *bgpNet, err error) {
	n := &bgpNet{}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	dir, err := os.MkdirTemp("", "plugintest")
	if err != nil {
		return nil, err
	}
	n.host = &BGPHost{Dir: dir}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	if n.peers, err = newNamespace(); err != nil {
		return nil, err
	}
	if here {
		n.host.space, err = hereSpace()
	} else {
		n.host.space, err = newNamespace()
	}
	if err != nil {
		return nil, err
	}
	// The second pair of links keeps the carrier of the bridge while the host's is cut off.
	err = n.peers.ip("link add core type bridge mcast_snooping 0", "link add stay type veth peer name other",
		"link set stay master core", "link set stay up", "link set other up", "link set core up",
		"address add "+bgpPeer4.String()+"/24 dev core")
	if err != nil {
		return nil, err
	}
	for i := range bgpServers {
		if err := n.peers.ip("address add " + bgpPeer6(i+1).String() + "/64 dev core nodad"); err != nil {
			return nil, err
		}
	}
	err = n.host.space.ip(fmt.Sprintf("link add eth0 type veth peer name cable netns %d", n.peers.tid),
		"link set eth0 up", "address add "+bgpHost4.String()+"/24 dev eth0",
		"address add "+bgpHostOther.String()+"/64 dev eth0 nodad", "address add "+bgpHost6.String()+"/64 dev eth0 nodad",
		"route add default via "+bgpPeer4.String(), "-6 route add default via "+bgpPeer6(1).String())
	if err != nil {
		return nil, err
	}
	return n, n.peers.ip("link set cable master core", "link set cable up")
}

// cut drops all packets between host and peers; neither side sees its link go.
func (n *bgpNet) cut() error { return n.peers.ip("link set cable nomaster") }

// mend ends a cut.
func (n *bgpNet) mend() error { return n.peers.ip("link set cable master core") }

// close frees the namespaces; the kernel removes them and their links when no
// process and no socket is left in them.
func (n *bgpNet) close() {
	if n.peers != nil {
		n.peers.close()
	}
	if n.host == nil {
		return
	}
	if n.host.space != nil {
		if n.host.space.here {
			// The next case has a host of the same name. What is not there need not go.
			_ = n.host.space.ip("link del eth0", "address flush dev lo scope global")
		}
		n.host.space.close()
	}
	os.RemoveAll(n.host.Dir)
}

// hold puts the address of each prefix on the host's lo, as core does before it announces.
func (h *BGPHost) hold(prefixes ...netip.Prefix) error { return h.lo("replace", prefixes) }

// release takes them off.
func (h *BGPHost) release(prefixes ...netip.Prefix) error { return h.lo("del", prefixes) }

func (h *BGPHost) lo(verb string, prefixes []netip.Prefix) error {
	lines := make([]string, len(prefixes))
	for i, p := range prefixes {
		a := p.Addr()
		if p.Addr().Is6() && !p.IsSingleIP() {
			a = p.Masked().Addr().Next() // the first address of it stands for a range
		}
		lines[i] = fmt.Sprintf("address %s %s/%d dev lo", verb, a, a.BitLen())
		if a.Is6() && verb != "del" {
			lines[i] += " nodad"
		}
	}
	return h.space.ip(lines...)
}

// routes are all routes of the host but those to its own addresses.
func (h *BGPHost) routes() (string, error) {
	var all string
	for _, family := range []string{"-4", "-6"} {
		err := h.Do(func() error {
			out, err := exec.Command("ip", family, "route", "show").Output()
			all += string(out)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("ip %s route: %w", family, err)
		}
	}
	return all, nil
}

// namespace is a network namespace that lasts as long as a thread of ours, a
// process or a socket is in it.
type namespace struct {
	here bool // it is the one of this process
	tid  int
	work chan func()
	gone chan struct{}
}

func newNamespace() (*namespace, error) {
	return startSpace(func() error { return syscall.Unshare(syscall.CLONE_NEWNET) }, false)
}

// hereSpace is the namespace of this process, which must be one that nobody
// else is in: it is given a host's links and addresses.
func hereSpace() (*namespace, error) { return startSpace(func() error { return nil }, true) }

func startSpace(enter func() error, here bool) (*namespace, error) {
	n := &namespace{here: here, work: make(chan func()), gone: make(chan struct{})}
	began := make(chan error)
	go func() {
		defer close(n.gone)
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		n.tid = syscall.Gettid()
		err := enter()
		began <- err
		if err != nil {
			return
		}
		for f := range n.work {
			f()
		}
	}()
	if err := <-began; err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	// A new namespace may inherit the machine's own values (devconf_inherit_init_net in ip-sysctl).
	for _, key := range []string{"all/disable_ipv6", "default/disable_ipv6", "all/accept_dad", "default/accept_dad"} {
		err := n.do(func() error { return os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", key), []byte("0"), 0) })
		if err != nil {
			n.close()
			return nil, err
		}
	}
	if err := n.ip("link set lo up"); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

func (n *namespace) close() {
	close(n.work)
	<-n.gone
}

// do runs f on the thread of the namespace.
func (n *namespace) do(f func() error) error {
	done := make(chan error, 1)
	n.work <- func() { done <- f() }
	return <-done
}

// ip runs lines of ip(8).
func (n *namespace) ip(lines ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	for _, family := range []string{"", "-6"} {
		var batch strings.Builder
		for _, l := range lines {
			if rest, v6 := strings.CutPrefix(l, "-6 "); v6 == (family == "-6") {
				batch.WriteString(rest + "\n")
			}
		}
		if batch.Len() == 0 {
			continue
		}
		args := []string{"-batch", "-"}
		if family != "" {
			args = append([]string{family}, args...)
		}
		cmd := exec.CommandContext(ctx, "ip", args...)
		cmd.Stdin, cmd.WaitDelay = strings.NewReader(batch.String()), 10*time.Second
		var out []byte
		err := n.do(func() (err error) {
			out, err = cmd.CombinedOutput()
			return err
		})
		if err != nil {
			return fmt.Errorf("ip -batch: %w: %s", errors.Join(err, ctx.Err()), strings.TrimSpace(string(out)))
		}
	}
	return nil
}
