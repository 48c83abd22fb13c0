package networkmanager

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	ledgerName    = "networkmanager.json"
	ledgerVersion = 1
	ledgerMax     = 16 << 20 // bytes that are read at most
)

// ledger keeps what a profile can't: the VIPs' names, and which addresses were
// there already. Whose an address is says the profile alone, so a lost ledger
// costs names, and no address.
type ledger struct {
	Version int     `json:"version"`
	VIPs    []entry `json:"vips"` // sorted by name
	// InFlight is the unique bus name of the NetworkManager that holds a
	// checkpoint for an Apply that has not ended; empty if there is none.
	InFlight string `json:"in_flight,omitempty"`
}

type entry struct {
	VIP     string     `json:"vip"`
	Addr    netip.Addr `json:"address"`
	Link    string     `json:"link"`              // where it stands
	Adopted bool       `json:"adopted,omitempty"` // was there before us, and is never removed by us
}

func (l ledger) equal(o ledger) bool {
	return l.InFlight == o.InFlight && slices.Equal(l.VIPs, o.VIPs)
}

// name gives the VIP of an address, or the address.
func (l ledger) name(a netip.Addr) string {
	for _, e := range l.VIPs {
		if e.Addr == a {
			return e.VIP
		}
	}
	return a.String()
}

// adopted tells whether an address was last seen where somebody else put it.
func (l ledger) adopted(a netip.Addr) bool {
	return slices.ContainsFunc(l.VIPs, func(e entry) bool { return e.Addr == a && e.Adopted })
}

// store keeps the ledger in one file.
type store struct{ dir string }

func (s store) path() string { return filepath.Join(s.dir, ledgerName) }

func (s store) load() (ledger, error) {
	l := ledger{Version: ledgerVersion}
	f, err := os.OpenFile(s.path(), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("read the names of addresses: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, ledgerMax+1))
	if err == nil {
		l, err = decodeLedger(b)
	}
	if err != nil {
		return l, fmt.Errorf("%s is damaged (%w): move it away; no address is lost by that", s.path(), err)
	}
	return l, nil
}

func decodeLedger(b []byte) (ledger, error) {
	if len(b) > ledgerMax {
		return ledger{}, fmt.Errorf("it is larger than %d MiB", ledgerMax>>20)
	}
	var l ledger
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return ledger{}, err
	}
	if l.Version != ledgerVersion {
		return ledger{}, fmt.Errorf("its version is %d, and this stentor knows version %d only", l.Version, ledgerVersion)
	}
	for i, e := range l.VIPs {
		if e.VIP == "" || e.Link == "" || !e.Addr.IsGlobalUnicast() || e.Addr.Zone() != "" {
			return ledger{}, fmt.Errorf("VIP %d (%s) lacks a part", i+1, e.Addr)
		}
	}
	return l, nil
}

// save replaces the file in one step. An empty ledger leaves no file.
func (s store) save(l ledger) error {
	err := s.replace(l)
	if err != nil {
		return fmt.Errorf("write the names of addresses: %w", err)
	}
	return nil
}

func (s store) replace(l ledger) error {
	if len(l.VIPs) == 0 && l.InFlight == "" {
		if err := os.Remove(s.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return syncDir(s.dir)
	}
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(s.path(), append(b, '\n'))
}

// keepEdited saves a profile that somebody edited before it is replaced. The
// folder is one that NetworkManager does not read.
func (s store) keepEdited(b []byte) error {
	path := filepath.Join(s.dir, profileID+".nmconnection.edited")
	if err := replaceFile(path, b); err != nil {
		return fmt.Errorf("keep a copy of the edited profile: %w", err)
	}
	return nil
}

// replaceFile writes a file of mode 0600, so that a crash leaves the old one or
// the new one. The name in between begins with a dot, which NetworkManager
// does not read; it is fixed, so that a crash leaves at most one, which the next
// write takes over.
func replaceFile(path string, b []byte) error {
	dir := filepath.Dir(path)
	f, err := os.OpenFile(filepath.Join(dir, "."+filepath.Base(path)+".tmp"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, as it should, once the file was renamed
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename or removal last (fsync(2), NOTES).
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
