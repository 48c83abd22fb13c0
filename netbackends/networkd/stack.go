package networkd

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/netbackends/internal/networkd"
	"github.com/stentor-net/stentor/plugins"
)

const (
	folder = "/etc/systemd/network/"
	// own is our file, where nobody else has one for lo.
	own = folder + "10-stentor-lo.network"
	// extra is our part of somebody else's file for lo, in that file's drop-in
	// folder: only the first file that matches a link counts, so a second one
	// beside it would do nothing or hide theirs.
	extra = "50-stentor.conf"
	// mode lets the user systemd-network read the file: without that networkd
	// leaves lo unmanaged, and says so in the journal alone.
	mode = 0o644
)

// stack is a dropin.Stack.
type stack struct {
	files fs.FS // the root folder
}

// Places implements dropin.Stack.
func (s *stack) Places() ([]hostfile.Want, error) {
	places := []hostfile.Want{{Path: own}}
	found, err := fs.Glob(s.files, folder[1:]+"*.network.d/"+extra)
	for _, f := range found {
		places = append(places, hostfile.Want{Path: "/" + f, OwnFolder: true})
	}
	return places, err
}

// Files implements dropin.Stack.
func (s *stack) Files(_ context.Context, vips []plugins.VIP) ([]hostfile.Want, error) {
	if len(vips) == 0 {
		return nil, nil
	}
	theirs, err := networkd.ForLo(s.files, func(p string) bool { return p == own })
	if err != nil {
		return nil, err
	}
	for _, f := range theirs {
		switch f.Match {
		case networkd.MatchConditional:
			return nil, fmt.Errorf("%s is for lo under a condition in its [Match]: only systemd-networkd knows whether it holds; "+
				"make it unconditional or remove it: %w", f.Path, plugins.ErrUnsupported)
		case networkd.MatchExact:
			at := folder + f.Name() + ".d/" + extra
			return []hostfile.Want{{Path: at, Mode: mode, Body: render(at, vips, false), OwnFolder: true}}, nil
		case networkd.MatchWildcard:
			if f.Path < own && f.Name() < own[len(folder):] {
				return nil, fmt.Errorf("%s takes lo by a wildcard in its [Match], before any file of ours: add Name=!lo there, or give it a name after %s: %w",
					f.Path, own[len(folder):], plugins.ErrUnsupported)
			}
		}
	}
	return []hostfile.Want{{Path: own, Mode: mode, Body: render(own, vips, true)}}, nil
}

// Theirs implements dropin.Stack: of all files for lo networkd uses the first.
func (s *stack) Theirs() []netfiles.Address {
	files, err := networkd.ForLo(s.files, func(p string) bool { return p == own })
	if err != nil || len(files) == 0 || files[0].Match == networkd.MatchConditional {
		return nil // Files says so
	}
	return netfiles.Network(s.files, files[0].Path)
}

// Check implements dropin.Stack. systemd has no parser to ask: systemd-analyze
// verify does not know .network files, and networkd skips a line that it can't
// read with a warning in the journal. So what is rendered is of a fixed form,
// and what networkd makes of it is read back from the kernel.
func (s *stack) Check(context.Context, []*hostfile.Change) error { return nil }

// Settle implements dropin.Stack. networkd is not told to reload, on purpose:
// the call returns before networkd has acted on it, and what it then does to lo
// races with our next change, so that an address comes back after its removal
// (252, 257); 247 takes addresses off and puts them back; and a reload also
// carries out what an admin has written and not loaded yet. networkd leaves
// addresses alone that it did not set, and reads the file at its next start or
// at somebody's reload. What it costs: until then networkctl reconfigure lo
// puts back an address that stood in the file at the last start.
func (s *stack) Settle(context.Context) error { return nil }
