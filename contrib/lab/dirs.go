package lab

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// standingDir is the folder of this user's standing lab; there is one at a
// time. A sandbox gives the same answer as the process that started it.
func standingDir() string {
	if os.Geteuid() == 0 && ownsAllIDs() {
		return "/run/stentor-lab"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "stentor-lab")
	}
	return filepath.Join(os.TempDir(), "stentor-lab-"+outerUID())
}

// outerUID is this user's number outside of a user namespace that maps it alone
// (the second column of uid_map, user_namespaces(7)).
func outerUID() string {
	b, err := os.ReadFile("/proc/self/uid_map")
	if fields := strings.Fields(string(b)); err == nil && len(fields) == 3 && fields[2] == "1" {
		return fields[1]
	}
	return strconv.Itoa(os.Geteuid())
}

// ownsAllIDs reports whether every user of the machine is one here too, as it
// is for root without a user namespace.
func ownsAllIDs() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(b)), " ") == "0 0 4294967295"
}
