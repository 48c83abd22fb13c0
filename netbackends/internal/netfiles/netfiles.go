// Package netfiles finds the addresses that the files of a host's network
// stacks configure, whoever wrote them.
package netfiles

import (
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"sort"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
)

// Address is one that a file tells a stack to put on a link.
type Address struct {
	Path   string // absolute
	Line   int    // from 1
	Link   string // the link's name, or whatever the file has in its place
	Prefix netip.Prefix
}

// On gives those of all that are for that link.
func On(link string, all []Address) []Address {
	var some []Address
	for _, a := range all {
		if a.Link == link {
			some = append(some, a)
		}
	}
	return some
}

// MaxFile bounds what is read of one file, in bytes.
const MaxFile = 1 << 20

// Read gives a file's content. It takes regular files of a sane size only: a
// pipe would hang us.
func Read(root fs.FS, name string) ([]byte, error) {
	st, err := fs.Stat(root, strings.TrimPrefix(name, "/"))
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > MaxFile {
		return nil, fmt.Errorf("/%s is no regular file of at most %d MiB", strings.TrimPrefix(name, "/"), MaxFile>>20)
	}
	return fs.ReadFile(root, strings.TrimPrefix(name, "/"))
}

// foreign reads a file that is not ours. One that can't be read is as good as
// none: the stack that should read it says so.
func foreign(root fs.FS, name string) []byte {
	content, err := Read(root, name)
	if err != nil || hostfile.OwnerOf(content) != hostfile.Foreign {
		return nil
	}
	return content
}

// Shadowed lists the files that match pattern in folders, by their base names;
// of two with the same one the first folder's counts.
func Shadowed(root fs.FS, folders []string, pattern string) []string {
	byName := map[string]string{}
	for _, dir := range folders {
		names, _ := fs.Glob(root, path.Join(dir, pattern)) // only a bad pattern is an error
		for _, n := range names {
			if _, shadowed := byName[path.Base(n)]; !shadowed && path.Base(n)[0] != '.' {
				byName[path.Base(n)] = n
			}
		}
	}
	names := make([]string, 0, len(byName))
	for _, n := range byName {
		names = append(names, n)
	}
	sort.Slice(names, func(i, j int) bool { return path.Base(names[i]) < path.Base(names[j]) })
	return names
}

// parse reads ADDRESS/LENGTH; without a length it is bits, or the address
// alone if bits is 0.
func parse(s string, bits int) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, true
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	if bits <= 0 || bits > a.BitLen() {
		bits = a.BitLen()
	}
	return netip.PrefixFrom(a, bits), true
}
