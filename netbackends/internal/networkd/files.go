package networkd

import (
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
)

// folders are where systemd-networkd looks, the first one of a file's name
// winning (systemd.network(5)).
var folders = []string{"etc/systemd/network", "run/systemd/network", "usr/local/lib/systemd/network", "usr/lib/systemd/network", "lib/systemd/network"}

// maxFile bounds a .network file, in bytes; systemd's own limit is as large.
const maxFile = 1 << 20

// File is one .network file that counts.
type File struct {
	Path  string // absolute
	Match Match
}

// Name is what decides its turn.
func (f File) Name() string { return path.Base(f.Path) }

// ForLo lists the files that match lo, in the order in which systemd-networkd
// asks them; only the first one counts. skip leaves a file out.
func ForLo(root fs.FS, skip func(path string) bool) ([]File, error) {
	seen := map[string]string{}
	for _, dir := range folders {
		names, err := fs.Glob(root, dir+"/*.network")
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if _, shadowed := seen[path.Base(n)]; !shadowed && !skip("/"+n) {
				seen[path.Base(n)] = n
			}
		}
	}
	bases := make([]string, 0, len(seen))
	for b := range seen {
		bases = append(bases, b)
	}
	sort.Strings(bases)
	var files []File
	for _, b := range bases {
		// One that masks another links to /dev/null, or is empty.
		st, err := fs.Stat(root, seen[b])
		if err != nil || !st.Mode().IsRegular() {
			continue
		}
		if st.Size() > maxFile {
			return nil, fmt.Errorf("/%s is larger than %d MiB", seen[b], maxFile>>20)
		}
		content, err := fs.ReadFile(root, seen[b])
		if err != nil {
			return nil, err
		}
		if m := MatchesLo(content); m != MatchNone {
			files = append(files, File{"/" + seen[b], m})
		}
	}
	return files, nil
}

// Version is systemd's, from the name of its shared library, so that it is
// known of an image too; 0 when it can't be told.
func Version(root fs.FS) int {
	best := 0
	for _, pattern := range []string{"usr/lib/systemd/libsystemd-shared-*.so", "usr/lib/*/systemd/libsystemd-shared-*.so", "lib/systemd/libsystemd-shared-*.so", "usr/lib64/systemd/libsystemd-shared-*.so"} {
		names, _ := fs.Glob(root, pattern)
		for _, n := range names {
			digits := strings.TrimPrefix(path.Base(n), "libsystemd-shared-")
			end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
			if v, err := strconv.Atoi(digits[:max(end, 0)]); err == nil {
				best = max(best, v)
			}
		}
	}
	return best
}

// KeepsLoopback is the first version of systemd that leaves 127.0.0.1 and ::1
// alone when the file of lo has changed and somebody reloads: 247 takes them
// away, unless the file says KeepConfiguration=static.
const KeepsLoopback = 252
