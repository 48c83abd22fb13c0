package daemon

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/statefile"
	"github.com/stentor-net/stentor/plugins"
)

// detectTimeout is how long a speaker may take to say that it can be used.
const detectTimeout = 5 * time.Second

// outliving is the record of driven speakers that may hold something of ours
// when this process is gone. Whoever starts next under another [bgp] backend
// takes the peers over from them.
type outliving struct {
	path string
	// Names are backends.
	Names []string `json:"names"`
}

func readOutliving(stateDir string) (*outliving, error) {
	o := &outliving{path: filepath.Join(stateDir, "speakers.json")}
	return o, statefile.Read(o.path, o)
}

// add records b before it is first asked to hold anything.
func (o *outliving) add(b plugins.BGPBackend) error {
	info := b.Info()
	if !info.Has(plugins.CapOutlivesDaemon) || slices.Contains(o.Names, info.Name) {
		return nil
	}
	o.Names = append(o.Names, info.Name)
	return statefile.Write(o.path, o)
}

// remove forgets a speaker that holds nothing any more.
func (o *outliving) remove(name string) error {
	i := slices.Index(o.Names, name)
	if i < 0 {
		return nil
	}
	o.Names = slices.Delete(o.Names, i, i+1)
	return statefile.Write(o.path, o)
}

// openEarlier gives a speaker of an earlier run that may still have the peers,
// if there is any, and puts the present one on record.
func (d *Daemon) openEarlier(ctx context.Context, cfg *config.Config, speaker plugins.BGPBackend) (earlier plugins.BGPBackend, err error) {
	if d.outliving, err = readOutliving(d.StateDir); err != nil {
		return nil, err
	}
	for _, name := range d.outliving.Names {
		if name == cfg.BGP.Backend || earlier != nil {
			continue
		}
		// What can't be opened stays in the record for the next start.
		if earlier, err = d.openSpeaker(ctx, cfg, name); err != nil {
			d.Log.Error("an earlier speaker may still announce, and can't be asked", "backend", name, "error", err)
		}
	}
	return earlier, d.outliving.add(speaker)
}

func (d *Daemon) openSpeaker(ctx context.Context, cfg *config.Config, name string) (plugins.BGPBackend, error) {
	b, err := d.Registry.OpenBGP(ctx, name, cfg.Backends)
	if err != nil {
		return nil, Locate(cfg, err)
	}
	if !slices.Contains(d.speakers, b) {
		d.speakers = append(d.speakers, b)
	}
	return b, nil
}

// swap has the peers handed over to the speaker that cfg names, if another one
// has them.
func (d *Daemon) swap(ctx context.Context, cfg *config.Config) error {
	if d.loop.SpeakerName() == cfg.BGP.Backend {
		return nil
	}
	b, err := d.openSpeaker(ctx, cfg, cfg.BGP.Backend)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, detectTimeout)
	defer cancel()
	detection, err := b.Detect(ctx)
	if err == nil && detection.Score == 0 {
		err = fmt.Errorf("%s: %w", detection.Why, plugins.ErrUnsupported)
	}
	if err != nil {
		return &control.Error{Kind: control.KindFailed, Message: fmt.Sprintf("[bgp] backend %q can't take over, nothing was changed: %v", cfg.BGP.Backend, err)}
	}
	d.recording.Lock()
	err = d.outliving.add(b)
	d.recording.Unlock()
	if err != nil {
		return err
	}
	if err := d.loop.SetSpeaker(b); err != nil {
		return &control.Error{Kind: control.KindRefused, Message: err.Error()}
	}
	return nil
}

// left is told by the loop that a speaker holds nothing any more.
func (d *Daemon) left(name string) {
	d.recording.Lock()
	defer d.recording.Unlock()
	if err := d.outliving.remove(name); err != nil {
		d.Log.Error("the record of speakers can't be written", "error", err)
	}
}

// notes tell what a person should know of a reload that is taken over.
func notes(old, cfg *config.Config) []string {
	if old.BGP.Backend == cfg.BGP.Backend || len(cfg.VIPs) == 0 {
		return nil
	}
	if len(cfg.BGP.Peers) == 1 {
		return []string{fmt.Sprintf("there is one peer: its session moves from %s to %s, and until the new one is up it has no route from this host", old.BGP.Backend, cfg.BGP.Backend)}
	}
	return []string{fmt.Sprintf("the sessions move from %s to %s one peer at a time: the others keep the routes meanwhile; stentor status shows how far it is", old.BGP.Backend, cfg.BGP.Backend)}
}
