package live

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// origin is the life of a network stack: no address outlives it.
type origin struct {
	BootID string `json:"boot_id"`
	Netns  string `json:"netns"`
}

func readOrigin() (origin, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return origin{}, fmt.Errorf("tell this boot from others: %w", err)
	}
	ns, err := netnsID()
	if err != nil {
		return origin{}, fmt.Errorf("tell this network namespace from others: %w", err)
	}
	return origin{BootID: strings.TrimSpace(string(id)), Netns: ns}, nil
}

// netnsID names the network namespace of the calling OS thread. The cookie
// (Linux 5.14) is given once per boot; the inode of an ended namespace is soon
// given again, as when a container restarts.
func netnsID() (string, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	if cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE); err == nil {
		return fmt.Sprintf("cookie %d", cookie), nil
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return "", err
	}
	return fmt.Sprintf("inode %d", st.Ino), nil
}
