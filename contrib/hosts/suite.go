package hosts

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Suite is a release of Debian.
type Suite string

// The suites: what each brings is in the comment.
const (
	Bullseye Suite = "bullseye" // systemd 247, netplan 0.101, NetworkManager 1.30
	Bookworm Suite = "bookworm" // systemd 252, netplan 0.106, NetworkManager 1.42
	Trixie   Suite = "trixie"   // systemd 257, netplan 1.1, NetworkManager 1.52
)

// Suites are all, the oldest first.
var Suites = []Suite{Bullseye, Bookworm, Trixie}

// tools are what this package runs, and the packages of Debian that bring them.
var tools = map[string]string{
	"mmdebstrap":     "mmdebstrap",
	"systemd-nspawn": "systemd-container",
	"nsenter":        "util-linux",
	"unshare":        "util-linux",
	"ip":             "iproute2",
}

// Missing says in one line why hosts can't run on this machine; "" means that
// they can.
func Missing() string {
	if os.Geteuid() != 0 {
		return "booting hosts needs root"
	}
	var missing []string
	for tool, pkg := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) > 0 {
		return fmt.Sprintf("booting hosts needs these packages: %s", strings.Join(missing, " "))
	}
	return ""
}
