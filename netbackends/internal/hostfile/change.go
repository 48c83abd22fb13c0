package hostfile

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/stentor-net/stentor/plugins"
)

// Want is a file as it shall be.
type Want struct {
	Path string
	Mode fs.FileMode
	// Body is what follows the header; nil means that there shall be no file.
	Body []byte
	// Edit: somebody else's file, in which single lines are ours. Body is the
	// whole of it, without a header; mode and owner stay.
	Edit bool
	// OwnFolder: the folder exists for our file alone.
	OwnFolder bool
}

// Change leads a file from one state to another.
type Change struct {
	Before, After Snapshot
	OwnFolder     bool
	// Edited: the file is ours, and was changed by hand.
	Edited bool
}

// Compare tells how a file differs from what is wanted, and nil if it does
// not. A foreign file in its place is a plugins.ErrForeign.
func (r Root) Compare(w Want) (*Change, error) {
	before, err := r.Read(w.Path)
	if err != nil {
		return nil, err
	}
	c := &Change{Before: before, OwnFolder: w.OwnFolder}
	c.After = Snapshot{Path: w.Path, Exists: w.Body != nil, Mode: w.Mode, UID: os.Geteuid(), GID: os.Getegid()}
	switch {
	case w.Edit:
		if !before.Exists {
			return nil, fmt.Errorf("%s is gone: %w", w.Path, plugins.ErrUnavailable)
		}
		c.After = before
		c.After.Body = w.Body
	case w.Body != nil:
		c.After.Body = Seal(w.Body)
	}
	if before.Exists && !w.Edit {
		switch OwnerOf(before.Body) {
		case Foreign:
			if w.Body == nil {
				return nil, nil // nothing of ours is there
			}
			return nil, fmt.Errorf("%s is there and has no header of ours: move it away, or take its addresses into the config and remove it: %w",
				w.Path, plugins.ErrForeign)
		case Edited:
			c.Edited = true
		}
	}
	if before.Same(c.After) && !r.Leftover(w.Path) {
		return nil, nil
	}
	return c, nil
}

// Step is the change for people.
func (c *Change) Step() plugins.Step {
	s := plugins.Step{Verb: "change", Object: c.After.Path}
	switch {
	case !c.Before.Exists && !c.After.Exists:
		s.Verb, s.Object = "remove", Temp(c.After.Path)
	case !c.Before.Exists:
		s.Verb = "add"
	case !c.After.Exists:
		s.Verb = "remove"
	}
	s.Diff = Unified(c.After.Path, c.Before.Body, c.After.Body)
	if c.Before.Exists && c.After.Exists && c.Before.Mode != c.After.Mode {
		s.Diff = fmt.Sprintf("mode %04o -> %04o\n", c.Before.Mode, c.After.Mode) + s.Diff
	}
	return s
}

// Private is a file of the calling user's alone; without a body it is none.
func Private(name string, body []byte) Snapshot {
	return Snapshot{Path: name, Exists: body != nil, Mode: 0o600, UID: os.Geteuid(), GID: os.Getegid(), Body: body}
}
