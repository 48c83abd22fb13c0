package netplan

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/netbackends/internal/networkd"
	"github.com/stentor-net/stentor/plugins"
)

const (
	own = "/etc/netplan/60-stentor.yaml"
	// mode: netplan warns of a file that others can read.
	mode = 0o600

	rendered = "/run/systemd/network/"
	// guard is a drop-in for networkd's part, where systemd needs it.
	guardName = "50-stentor.conf"
	guardMode = 0o644 // networkd reads it as user systemd-network
	guardBody = "# systemd 247 takes 127.0.0.1 and ::1 off lo when its file changes and\n" +
		"# somebody reloads, unless told to keep what is configured.\n" +
		"[Network]\nKeepConfiguration=static\n"
)

// stack is a dropin.Stack.
type stack struct {
	dir     string // the root folder
	files   fs.FS  // what is in it
	scratch hostfile.Scratch
}

// Places implements dropin.Stack.
func (s *stack) Places() ([]hostfile.Want, error) {
	places := []hostfile.Want{{Path: own}}
	guards, err := fs.Glob(s.files, "etc/systemd/network/10-netplan-*.network.d/"+guardName)
	for _, g := range guards {
		places = append(places, hostfile.Want{Path: "/" + g, OwnFolder: true})
	}
	return places, err
}

// Files implements dropin.Stack.
func (s *stack) Files(_ context.Context, vips []plugins.VIP) ([]hostfile.Want, error) {
	if len(vips) == 0 {
		return nil, nil
	}
	// A file that does not parse is for netplan to refuse, in Check: it says
	// where and why. What could be read of the others has to do until then.
	c, err := readConfig(s.files)
	if c == nil {
		return nil, err
	}
	id, err := c.lo()
	if err != nil {
		return nil, err
	}
	wants := []hostfile.Want{{Path: own, Mode: mode, Body: render(id, vips)}}
	if v := networkd.Version(s.files); v < networkd.KeepsLoopback {
		at := "/etc/systemd/network/10-netplan-" + id + ".network.d/" + guardName
		wants = append(wants, hostfile.Want{Path: at, Mode: guardMode, Body: []byte(guardBody), OwnFolder: true})
	}
	return wants, nil
}

// Theirs implements dropin.Stack.
func (s *stack) Theirs() []netfiles.Address { return netfiles.On("lo", netfiles.Netplan(s.files)) }

// Settle implements dropin.Stack. It renders as netplan does, and moves only
// lo's part into place: netplan's own generate writes every file anew, and a
// later reload of networkd's, which goes by the files' times, would take the
// uplink down and up (systemd 252). networkd is not told to reload: its answer
// comes before it acts, and what it then does to lo races with our next change,
// so that an address comes back after its removal; it leaves addresses alone
// that it did not set, and reads the file at its next start or reload.
func (s *stack) Settle(ctx context.Context) error {
	err := s.generate(ctx, nil, s.moveRendered)
	if errors.Is(err, errNoNetplan) {
		return nil // removal on a host that has netplan no more
	}
	return err
}

// forLo tells whether a file of netplan's rendering is for lo alone.
func (s *stack) forLo(p string) bool {
	if !strings.HasPrefix(p, rendered+"10-netplan-") {
		return false
	}
	content, err := fs.ReadFile(s.files, p[1:])
	return err == nil && networkd.MatchesLo(content) == networkd.MatchExact
}

// moveRendered makes networkd's files for lo in /run those of temp.
func (s *stack) moveRendered(temp string) error {
	const pattern = rendered + "10-netplan-*.network"
	want := map[string]hostfile.Snapshot{}
	now, err := fs.Glob(s.files, pattern[1:])
	if err != nil {
		return err
	}
	for _, n := range now {
		if s.forLo("/" + n) {
			want["/"+n] = hostfile.Snapshot{Path: "/" + n}
		}
	}
	fresh, err := filepath.Glob(temp + pattern)
	if err != nil {
		return err
	}
	for _, f := range fresh {
		w, err := snapshot(f, strings.TrimPrefix(f, temp))
		if err != nil {
			return err
		}
		if networkd.MatchesLo(w.Body) == networkd.MatchExact {
			want[w.Path] = w
		}
	}
	root := hostfile.Root{Dir: s.dir}
	for p, w := range want {
		have, err := root.Read(p)
		if err != nil {
			return err
		}
		if have.Same(w) {
			continue
		}
		if err := root.Write(w, w.Exists); err != nil {
			return err
		}
	}
	return nil
}

// snapshot takes mode and owner as netplan gave them: newer versions hide the
// rendering from everyone but networkd's user.
func snapshot(file, as string) (hostfile.Snapshot, error) {
	s := hostfile.Snapshot{Path: as, Exists: true}
	st, err := os.Stat(file)
	if err != nil {
		return s, err
	}
	s.Mode = st.Mode().Perm()
	if owner, ok := st.Sys().(*syscall.Stat_t); ok {
		s.UID, s.GID = int(owner.Uid), int(owner.Gid)
	}
	s.Body, err = os.ReadFile(file)
	return s, err
}
