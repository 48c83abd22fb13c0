package served

import (
	"fmt"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
)

// confine takes the file system from this process, but for the folders that a
// plugin is given: core's are one and the same. Files that are open stay so, and
// the network is not touched. A kernel without Landlock (landlock(7)) leaves it at
// what the user may do.
func confine() error {
	// Version 5 has all that concerns files; the later ones are about other things.
	if err := landlock.V5.BestEffort().RestrictPaths(landlock.RWDirs(os.TempDir(), os.Getenv("PLUGIN_UNIX_SOCKET_DIR")).IgnoreIfMissing()); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}
