package networkmanager

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/plugins"
)

// image is a system that does not run: its keyfile is all there is.
type image struct {
	device device
	files  hostfile.Root
	force  bool
	store  store
}

func (b *Backend) image() image {
	return image{b.device, hostfile.Root{Dir: b.root, Step: b.step}, b.force, b.store}
}

// diff gives the file as it is and as it shall be; they are the same when
// there is nothing to do.
func (i image) diff(want []plugins.VIP) (before, after hostfile.Snapshot, err error) {
	if before, err = i.files.Read(fileName); err != nil {
		return before, after, err
	}
	named := map[netip.Addr]string{}
	var addrs []netip.Addr
	var errs []error
	for _, v := range want {
		err := check(v, named)
		if err == nil && v.Link != loopback.link && v.Link != i.device.link {
			err = otherLink(v, i.device)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		named[v.Addr] = v.Name
		addrs = append(addrs, v.Addr)
	}
	if err := some(errs); err != nil {
		return before, after, err
	}
	after = hostfile.Snapshot{Path: before.Path}
	p := newProfile(i.device, addrs)
	if len(addrs) > 0 {
		after.Exists, after.Mode, after.Body = true, 0o600, p.keyfile().bytes()
		after.UID, after.GID = os.Geteuid(), os.Getegid()
		dir := filepath.Dir(before.Path)
		if _, err := os.Lstat(filepath.Join(i.files.Dir, dir)); errors.Is(err, fs.ErrNotExist) {
			return before, after, fmt.Errorf("there is no %s below %s: is NetworkManager installed there? (%w)", dir, i.files.Dir, plugins.ErrUnsupported)
		}
	}
	if !before.Exists {
		return before, after, nil
	}
	now, err := i.reading(before)
	switch {
	case err != nil && len(addrs) == 0, err == nil && !now.ours && len(addrs) == 0:
		return before, before, nil // not ours: nothing to take away
	case err != nil:
		return before, after, err
	case !now.ours:
		return before, after, fmt.Errorf("%s is there and has no mark of ours ([user] %s): move it away (%w)", before.Path, markKey, plugins.ErrForeign)
	case now.edited && !i.force:
		return before, after, edited(stored{reading: now, file: before.Path}, p)
	case slices.Equal(now.addrs, p.addrs) && now.uuid == i.device.uuid && before.Mode == after.Mode && !now.edited:
		after = before // NetworkManager may have written the same in its own words
	}
	return before, after, nil
}

func (i image) reading(s hostfile.Snapshot) (reading, error) {
	k, err := parseKeyfile(s.Body)
	if err != nil {
		return reading{}, fmt.Errorf("%s is not ours, and no keyfile: %w (%w)", s.Path, err, plugins.ErrForeign)
	}
	return read(k), nil
}

func (i image) plan(want []plugins.VIP) (plugins.Plan, error) {
	before, after, err := i.diff(want)
	if err != nil || same(before, after) {
		return plugins.Plan{}, err
	}
	c := hostfile.Change{Before: before, After: after}
	return plugins.Plan{Steps: []plugins.Step{c.Step()}}, nil
}

func (i image) apply(want []plugins.VIP) error {
	before, after, err := i.diff(want)
	if err != nil || same(before, after) {
		return err
	}
	if before.Exists {
		if now, err := i.reading(before); err == nil && now.edited {
			if err := i.store.keepEdited(before.Body); err != nil {
				return err
			}
		}
	}
	return i.files.Write(after, false)
}

// observe tells what the file says. On the host is nothing of it.
func (i image) observe() ([]plugins.VIPState, error) {
	s, err := i.files.Read(fileName)
	if err != nil || !s.Exists {
		return nil, err
	}
	now, err := i.reading(s)
	if err != nil || !now.ours {
		return nil, nil
	}
	var all []plugins.VIPState
	for _, a := range now.addrs {
		all = append(all, plugins.VIPState{VIP: plugins.VIP{Name: a.String(), Addr: a, Link: now.link}})
	}
	slices.SortFunc(all, func(a, b plugins.VIPState) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func same(a, b hostfile.Snapshot) bool {
	return a.Exists == b.Exists && a.Mode == b.Mode && string(a.Body) == string(b.Body)
}
