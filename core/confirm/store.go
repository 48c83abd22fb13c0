package confirm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/statefile"
)

// Store keeps in a state folder what has to survive.
type Store struct{ Dir string }

func (s Store) trial() string    { return filepath.Join(s.Dir, "trial.json") }
func (s Store) lastGood() string { return filepath.Join(s.Dir, "last-good.json") }

// Trial reads the trial; nil if there is none.
func (s Store) Trial() (*Trial, error) {
	var t *Trial
	if err := statefile.Read(s.trial(), &t); err != nil {
		return nil, fmt.Errorf("the config on trial: %w", err)
	}
	return t, nil
}

// Save makes t the trial; nil ends it.
func (s Store) Save(t *Trial) error {
	if t == nil {
		if err := remove(s.trial()); err != nil {
			return fmt.Errorf("end the trial: %w", err)
		}
		return nil
	}
	if err := statefile.Write(s.trial(), t); err != nil {
		return fmt.Errorf("put the config on trial: %w", err)
	}
	return nil
}

// LastGood are the files of the config that was last in force without being on
// trial; none if it is not known.
func (s Store) LastGood() (files []config.File, err error) {
	if err := statefile.Read(s.lastGood(), &files); err != nil {
		return nil, fmt.Errorf("the last good config: %w", err)
	}
	return files, nil
}

// SetLastGood keeps files. If that fails nothing is kept: to go back to an
// older config would be worse than to take away what is new.
func (s Store) SetLastGood(files []config.File) error {
	if old, err := s.LastGood(); err == nil && Same(old, files) {
		return nil
	}
	if err := statefile.Write(s.lastGood(), files); err != nil {
		return errors.Join(fmt.Errorf("keep the last good config: %w", err), remove(s.lastGood()))
	}
	return nil
}

// ForgetGood is called before files come into force: from then on, until
// SetLastGood has kept them, no config is known to come back to.
func (s Store) ForgetGood(files []config.File) error {
	if old, err := s.LastGood(); err == nil && (len(old) == 0 || Same(old, files)) {
		return nil
	}
	if err := remove(s.lastGood()); err != nil {
		return fmt.Errorf("forget the last good config: %w", err)
	}
	return nil
}

// Keep confirms t, which is the trial of s.
func (s Store) Keep(t *Trial) error {
	now, err := Now()
	if err != nil {
		return err
	}
	if err := t.Confirmable(now); err != nil {
		return err
	}
	if err := s.ForgetGood(t.Tried); err != nil {
		return fmt.Errorf("not confirmed: %w", err)
	}
	if err := s.Save(nil); err != nil {
		return err
	}
	if err := s.SetLastGood(t.Tried); err != nil {
		return fmt.Errorf("confirmed; but a later trial can't come back to this config: %w", err)
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close()) // the removal lasts when the folder is on disk
}
