package frr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The lines that let FRR reach a peer by the default route. They hold for all
// of FRR, so they are set on request only, and put back.
const (
	resolve4 = "ip nht resolve-via-default"
	resolve6 = "ipv6 nht resolve-via-default"
)

// global is what we remember of such a line, in a file of our own: nothing in
// FRR's configuration can tell who set it.
type global struct {
	Zebra string `json:"zebra"` // the process that was given it
	WasNo bool   `json:"was_no"`
	Done  bool   `json:"done"` // false: we were about to
}

func (b *Backend) globalsFile() string { return filepath.Join(b.stateDir, "globals.json") }

func (b *Backend) loadGlobals() (map[string]global, error) {
	known := map[string]global{}
	raw, err := os.ReadFile(b.globalsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &known)
	}
	if err != nil {
		return nil, fmt.Errorf("what FRR was given besides: %w", err)
	}
	return known, nil
}

// saveGlobals replaces the file at once, so that a crash leaves the old or the new one.
func (b *Backend) saveGlobals(known map[string]global) error {
	if len(known) == 0 {
		err := os.Remove(b.globalsFile())
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	raw, err := json.Marshal(known)
	if err != nil {
		return err
	}
	temporary := b.globalsFile() + ".new"
	if err := os.WriteFile(temporary, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, b.globalsFile())
}

// ourGlobals gives the lines that are in force because of us, each with the
// line that puts back what was before. Newer FRRs print such a line only where
// it differs from their default; so what counts is that this zebra was given it.
func (b *Backend) ourGlobals(ctx context.Context, t theirs) (map[string]string, error) {
	known, err := b.loadGlobals()
	if err != nil {
		return nil, err
	}
	ours := map[string]string{}
	if len(known) == 0 {
		return ours, nil
	}
	zebra := b.process(ctx, "zebra").String()
	for line, g := range known {
		printed := t.globals[line]
		if !printed && !(g.Done && g.Zebra == zebra) {
			continue
		}
		back := ""
		if printed || g.WasNo {
			back = "no " + line
		}
		ours[line] = back
	}
	return ours, nil
}

// neededGlobals are the lines that the peers need and that are not in force
// without us.
func neededGlobals(want speaker, have piece, t theirs) map[string]string {
	need := map[string]string{}
	for _, p := range want.peers {
		line := resolve4
		if p.Addr.Is6() {
			line = resolve6
		}
		if back, ours := have.globals[line]; ours || !t.globals[line] {
			need[line] = back
		}
	}
	return need
}

// recordGlobals notes what is about to be set, or was.
func (b *Backend) recordGlobals(ctx context.Context, j job, done bool) error {
	known, err := b.loadGlobals()
	if err != nil {
		return err
	}
	if len(known) == 0 && len(j.target.globals) == 0 {
		return nil
	}
	zebra := b.process(ctx, "zebra").String()
	for line := range j.target.globals {
		g, again := known[line]
		if !again {
			g.WasNo = j.theirs.globals["no "+line]
		}
		g.Zebra, g.Done = zebra, done
		known[line] = g
	}
	if done {
		for line := range known {
			if _, keep := j.target.globals[line]; !keep {
				delete(known, line)
			}
		}
	}
	if err := b.saveGlobals(known); err != nil {
		return fmt.Errorf("note what FRR is given besides: %w", err)
	}
	return nil
}
