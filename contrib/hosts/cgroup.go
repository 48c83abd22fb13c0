package hosts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// cgroupRoots are where systemd-nspawn makes its groups: the one hierarchy of
// a machine that has cgroup2 alone, or the two of a hybrid one (systemd's
// CGROUP_DELEGATION.md).
var cgroupRoots = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"}

// makeCgroups makes groups for one host. Two hosts that shared one would have
// their units in the same groups below it, and stopping a unit on one host
// would kill its namesake's processes on the other.
func makeCgroups(name string) ([]string, error) {
	var made []string
	for _, root := range cgroupRoots {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
			continue // no hierarchy of this machine's
		}
		group := filepath.Join(root, "stentor-test-"+name)
		if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("hosts: %w", err)
		}
		made = append(made, group)
	}
	return made, nil
}

// removeCgroups removes the groups of a host whose processes are gone.
func removeCgroups(name string) error {
	for _, root := range cgroupRoots {
		var groups []string
		top := filepath.Join(root, "stentor-test-"+name)
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				groups = append(groups, path)
			}
			return err
		})
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		for _, g := range slices.Backward(groups) {
			if e := os.Remove(g); e != nil && !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
		if err != nil {
			return fmt.Errorf("hosts: %w", err)
		}
	}
	return nil
}
