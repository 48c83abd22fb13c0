package doctor

import (
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
)

// Kernel is what only a system call tells. The zero value is a kernel that has
// all, and a process that may all.
type Kernel struct {
	NoMD5      bool // refuses TCP-MD5 keys
	NoAO       bool // knows no TCP-AO
	NoLandlock bool // landlock(7)
	NoNetAdmin bool // this is root, without CAP_NET_ADMIN
	ClockFree  bool // nothing keeps the clock right
}

func readKernel() Kernel {
	return Kernel{NoMD5: lacksMD5(), NoAO: lacksAO(), NoLandlock: lacksLandlock(), NoNetAdmin: lacksNetAdmin(), ClockFree: clockFree()}
}

// lacksMD5 gives a key to a socket that is never connected.
func lacksMD5() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	sig := unix.TCPMD5Sig{Addr: unix.SockaddrStorage{Family: unix.AF_INET}, Keylen: 1, Key: [80]uint8{'k'}}
	return errors.Is(unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, &sig), unix.ENOPROTOOPT)
}

// lacksAO: a kernel that knows the option (TCP_AO_ADD_KEY in linux/tcp.h)
// complains of a key that is too short.
func lacksAO() bool {
	const addKey = 38
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return errors.Is(unix.SetsockoptString(fd, unix.IPPROTO_TCP, addKey, "short"), unix.ENOPROTOOPT)
}

// lacksLandlock asks for the version that the kernel has.
func lacksLandlock() bool {
	_, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return errno != 0
}

func lacksNetAdmin() bool {
	if os.Geteuid() != 0 {
		return false // the daemon runs as somebody else
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_NET_ADMIN) == 0
}

// clockFree judges as timedatectl(1) does: the error that the kernel reckons
// with grows to 16 s when nobody corrects the clock (adjtimex(2)).
func clockFree() bool {
	const most = 16 * time.Second
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	return err == nil && time.Duration(t.Maxerror)*time.Microsecond >= most
}

// rights: what this process may do.
func (x *exam) rights() {
	if x.Kernel.NoNetAdmin {
		x.add(CodeNetAdmin, Problem, "capabilities", "this is root without CAP_NET_ADMIN, as in a container: no address can be put on the host",
			"run the container with --cap-add NET_ADMIN, and --network host for the host's own addresses")
	}
	if x.Kernel.NoLandlock && x.Confined {
		x.add(CodeLandlock, Note, "kernel", "this kernel has no Landlock: the speaker's process can read what its user can read, instead of nothing",
			"nothing has to be done; Linux 5.13 and newer have it, where the boot parameter lsm names it")
	}
}

// clock: certificates are valid from one time to another.
func (x *exam) clock() {
	if x.Kernel.ClockFree && usesTLS(x.Config) {
		x.add(CodeClock, Note, "clock", "nothing keeps the clock of this host right: checks and hooks over TLS fail when it is far off, and the times of the history are wrong",
			"run chrony or systemd-timesyncd; timedatectl shows whether it works")
	}
}

func usesTLS(c *config.Config) bool {
	for _, h := range c.Hooks {
		if strings.HasPrefix(h.URL, "https:") {
			return true
		}
	}
	for _, s := range c.Checks {
		if p, ok := s.Probe.(health.HTTP); ok && strings.HasPrefix(p.URL, "https:") {
			return true
		}
	}
	return false
}
