package dropin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"

	"github.com/fsnotify/fsnotify"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/plugins"
)

// expect notes what we are about to do to a file, so that Watch tells only of
// what others do.
func (e *Engine) expect(s hostfile.Snapshot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.expected[s.Path] = s.Exists
}

// Watch implements plugins.Backend. It reports addresses of ours that somebody
// takes off the host, and files of ours that somebody edits or removes.
func (e *Engine) Watch(ctx context.Context, changed func(plugins.Change)) error {
	if e.live == nil {
		<-ctx.Done()
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	files := make(chan error, 1)
	go func() {
		defer cancel()
		files <- e.watchFiles(ctx, changed)
	}()
	err := e.live.Watch(ctx, changed)
	cancel()
	return errors.Join(err, <-files)
}

func (e *Engine) watchFiles(ctx context.Context, changed func(plugins.Change)) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch files of ours: %w", err)
	}
	defer w.Close()
	said := map[string]string{}
	for {
		// A folder that is made later is found through its parent's event.
		if err := e.inspect(w, said, changed); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-w.Errors:
			return fmt.Errorf("watch files of ours: %w", err)
		case <-w.Events:
		}
	}
}

// inspect watches the folders of all places, and tells what is new about the
// files there.
func (e *Engine) inspect(w *fsnotify.Watcher, said map[string]string, changed func(plugins.Change)) error {
	places, err := e.stack.Places()
	if err != nil {
		return err
	}
	for _, place := range places {
		p := place.Path
		if err := watchFolder(w, filepath.Join(e.root.Dir, path.Dir(p))); err != nil {
			return fmt.Errorf("watch %s: %w", p, err)
		}
		why, settled := e.trouble(p)
		if !settled {
			continue
		}
		if why != "" && said[p] != why {
			changed(plugins.Change{Object: p, Why: why})
		}
		said[p] = why
	}
	return nil
}

// watchFolder watches dir, or the closest folder above that is there.
func watchFolder(w *fsnotify.Watcher, dir string) error {
	for {
		err := w.Add(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return err
		}
		dir = path.Dir(dir)
	}
}

// trouble says what somebody did to the file at p, or nothing. It is not settled
// while somebody replaces it, of which the event is yet to come.
func (e *Engine) trouble(p string) (why string, settled bool) {
	s, err := e.root.Read(p)
	if err != nil {
		return err.Error(), !errors.Is(err, plugins.ErrUnavailable)
	}
	ours := s.Exists && hostfile.OwnerOf(s.Body) != hostfile.Foreign
	e.mu.Lock()
	expected, known := e.expected[p]
	if !known {
		e.expected[p] = ours
	}
	e.mu.Unlock()
	switch {
	case known && expected && !ours:
		return p + " was removed or replaced: nothing brings the addresses back after a reboot", true
	case ours && hostfile.OwnerOf(s.Body) == hostfile.Edited:
		return p + " was edited by hand", true
	}
	return "", true
}
