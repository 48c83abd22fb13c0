package ifupdown

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/netbackends/internal/run"
	"github.com/stentor-net/stentor/plugins"
)

const (
	interfaces = netfiles.InterfacesPath
	// own has a name that source-directory takes too: no dot in it.
	own  = "/etc/network/interfaces.d/stentor"
	mode = 0o644
)

// stack is a dropin.Stack.
type stack struct {
	dir       string // the root folder
	files     fs.FS  // what is in it
	scratch   hostfile.Scratch
	addSource bool
}

// Places implements dropin.Stack.
func (s *stack) Places() ([]hostfile.Want, error) {
	places := []hostfile.Want{{Path: own}}
	content, err := netfiles.Read(s.files, interfaces)
	if errors.Is(err, fs.ErrNotExist) {
		return places, nil
	} else if err != nil {
		return nil, err
	}
	if without, was := withoutSource(content); was {
		places = append(places, hostfile.Want{Path: interfaces, Edit: true, Body: without})
	}
	return places, nil
}

// Files implements dropin.Stack.
func (s *stack) Files(_ context.Context, vips []plugins.VIP) ([]hostfile.Want, error) {
	if len(vips) == 0 {
		return nil, nil
	}
	content, err := netfiles.Read(s.files, interfaces)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s on this host, so ifupdown reads nothing: %w", interfaces, plugins.ErrUnsupported)
	} else if err != nil {
		return nil, err
	}
	l, err := readLayout(s.files)
	if err != nil {
		return nil, err
	}
	var wants []hostfile.Want
	_, marked := withoutSource(content)
	switch {
	case marked:
		wants = append(wants, hostfile.Want{Path: interfaces, Edit: true, Body: content})
	case !l.reads && s.addSource:
		wants = append(wants, hostfile.Want{Path: interfaces, Edit: true, Body: withSource(content)})
	case !l.reads:
		return nil, fmt.Errorf("%s does not read %s, so the addresses would be lost at the next reboot: add this line to it\n\t%s"+
			"or set add_source_line = true in [backend.ifupdown]: %w", interfaces, own, sourceLine, plugins.ErrForeign)
	}
	// A source-directory line may name a folder that is not there yet.
	_, err = fs.Stat(s.files, path.Dir(own)[1:])
	missing := errors.Is(err, fs.ErrNotExist)
	// Ours comes first: a source line without its file is harmless, but the
	// way back is shorter.
	return append([]hostfile.Want{{Path: own, Mode: mode, Body: render(vips, !l.autoLo), OwnFolder: missing}}, wants...), nil
}

// Theirs implements dropin.Stack.
func (s *stack) Theirs() []netfiles.Address {
	i, err := netfiles.ReadInterfaces(s.files)
	if err != nil {
		return nil // Files says so
	}
	return netfiles.On("lo", i.Addresses())
}

// Check implements dropin.Stack. It has ifquery read our file alone: a stanza
// of somebody else's that ifupdown can't read does not keep ours from work.
func (s *stack) Check(ctx context.Context, changes []*hostfile.Change) error {
	for _, c := range changes {
		if c.After.Path != own || !c.After.Exists {
			continue
		}
		err := s.scratch.Use(ctx, func(dir string) error {
			file := filepath.Join(dir, "interfaces")
			if err := os.WriteFile(file, c.After.Body, 0o600); err != nil {
				return err
			}
			return understood(ctx, c.After.Body, "ifquery", "-i", file, "lo")
		})
		if errors.Is(err, exec.ErrNotFound) && s.dir != "/" {
			return nil // an image is built where ifupdown may be missing
		}
		return err
	}
	return nil
}

// Settle implements dropin.Stack. ifupdown has no daemon; what is left is to
// see that it finds our file from where it starts.
func (s *stack) Settle(ctx context.Context) error {
	content, err := netfiles.Read(s.files, own)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return understood(ctx, content, "ifquery", "lo")
}

// understood runs a command that prints lo's stanza, and looks for all that
// our file has it do.
func understood(ctx context.Context, content []byte, name string, args ...string) error {
	r, err := run.Command(ctx, name, args...)
	if err != nil {
		return fmt.Errorf("have ifupdown read %s: %w", own, err)
	}
	said := map[string]bool{} // a search for each of 10,000 in all would take seconds
	for line := range strings.Lines(r.Stdout) {
		_, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		said[command] = true
	}
	for line := range bytes.Lines(content) {
		verb, command, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if verb == "up" && !said[command] && !strings.Contains(r.Stdout, command) {
			return fmt.Errorf("ifupdown does not find %q of %s: %s %s says:\n%s%s",
				command, own, name, strings.Join(args, " "), r.Stdout[:min(len(r.Stdout), 4<<10)], r.Stderr)
		}
	}
	return nil
}
