package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// privateDir is the folder of a lab of this user, of which there is one of
// each name at a time. A sandbox gives the same answer as the process that
// started it.
func privateDir(name string) string {
	if os.Geteuid() == 0 && ownsAllIDs() {
		return filepath.Join("/run", "stentor-"+name)
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "stentor-"+name)
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("stentor-%s-%s", name, outerUID()))
}

// outerUID is this user's number outside of a user namespace that maps it alone
// (the second column of uid_map, user_namespaces(7)).
func outerUID() string {
	b, err := os.ReadFile("/proc/self/uid_map")
	if fields := strings.Fields(string(b)); err == nil && len(fields) == 3 && fields[2] == "1" {
		return fields[1]
	}
	return fmt.Sprint(os.Geteuid())
}

// ownsAllIDs reports whether every user of the machine is one here too, as it
// is for root without a user namespace.
func ownsAllIDs() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(b)), " ") == "0 0 4294967295"
}
