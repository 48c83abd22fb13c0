package live

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	// LedgerName is the ledger's file in the state folder.
	LedgerName    = "addresses.json"
	ledgerVersion = 1
	// ledgerMax is the most that is read, in bytes: 100,000 addresses take 12 MB.
	ledgerMax = 16 << 20
)

// place is where an address stands. The link counts by index: a renamed link
// keeps its addresses, and one that was made anew under the old name has none.
type place struct {
	addr  netip.Addr
	index int
}

// entry says whose an address is.
type entry struct {
	VIP   string     `json:"vip"`
	Addr  netip.Addr `json:"address"`
	Link  string     `json:"link"` // where it stands
	Index int        `json:"index"`
	// Wanted is the link that the config names, when the address was found on
	// another one.
	Wanted string `json:"wanted,omitempty"`
	// Adopted: it was there before us, and is never removed by us.
	Adopted bool `json:"adopted,omitempty"`
	// File is somebody else's that brings it back at boot; for adopted ones.
	File string `json:"file,omitempty"`
}

func (e entry) place() place { return place{e.Addr, e.Index} }

func (e entry) compare(o entry) int {
	return cmp.Or(cmp.Compare(e.VIP, o.VIP), e.Addr.Compare(o.Addr), cmp.Compare(e.Index, o.Index))
}

// ledger knows what a backend put on the host and what it found there. A
// kernel address bears no mark of who added it, so without a ledger a foreign
// one could not be told from ours. A ledger is not changed once it is made.
type ledger map[place]entry

// sorted gives the entries in a stable order: by VIP, then by link.
func (l ledger) sorted() []entry {
	return slices.SortedFunc(maps.Values(l), entry.compare)
}

// ledgerFile is the ledger on disk.
type ledgerFile struct {
	Version   int     `json:"version"`
	Origin    origin  `json:"origin"`
	Addresses []entry `json:"addresses"`
}

// store keeps the ledger in one file.
type store struct {
	dir  string
	step func(string) error
}

func (s store) path() string { return filepath.Join(s.dir, LedgerName) }

// temp is where a new ledger is written before it takes the old one's place.
// The name is fixed, so that a crash leaves at most one, and the next save
// takes it over. The folder is ours alone: nobody plants a link there.
func (s store) temp() string { return filepath.Join(s.dir, "."+LedgerName+".tmp") }

// load reads the ledger, if it was written under the same origin: the
// addresses of another boot or network namespace are gone, and what stands
// here now was put here by someone else. onDisk tells that there is a file of
// ours, be it the rest of a save that was cut off.
func (s store) load(here origin) (l ledger, onDisk bool, err error) {
	b, err := readLimited(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		_, err := os.Lstat(s.temp())
		return ledger{}, err == nil, nil
	} else if err != nil {
		return nil, false, fmt.Errorf("read the ledger of addresses: %w", err)
	}
	file, err := decodeLedger(b)
	if err != nil {
		return nil, false, fmt.Errorf("%s, which tells our addresses from foreign ones, is damaged (%w): "+
			"move it away; addresses that stand on the host are then taken for foreign and never removed", s.path(), err)
	}
	if file.Origin != here {
		return ledger{}, true, nil
	}
	l = make(ledger, len(file.Addresses))
	for _, e := range file.Addresses {
		l[e.place()] = e
	}
	return l, true, nil
}

func readLimited(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, ledgerMax+1))
	if err == nil && len(b) > ledgerMax {
		err = fmt.Errorf("%s is larger than %d MiB", path, ledgerMax>>20)
	}
	return b, err
}

// decodeLedger is strict: a guess about an entry could delete a foreign address.
func decodeLedger(b []byte) (ledgerFile, error) {
	var file ledgerFile
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(&file)
	if err == nil && len(bytes.TrimSpace(b[d.InputOffset():])) > 0 {
		err = errors.New("something follows its end")
	}
	// Another version may well have other keys, so this says more than err.
	if file.Version != ledgerVersion && file.Version != 0 {
		return ledgerFile{}, fmt.Errorf("its version is %d, and this stentor knows version %d only", file.Version, ledgerVersion)
	}
	if err != nil {
		return ledgerFile{}, err
	}
	if file.Version == 0 || file.Origin.BootID == "" || file.Origin.Netns == "" {
		return ledgerFile{}, errors.New("it does not say of which version and boot it is")
	}
	seen := make(map[place]bool, len(file.Addresses))
	for i, e := range file.Addresses {
		switch {
		case e.VIP == "" || e.Link == "" || e.Index <= 0 || !e.Addr.IsGlobalUnicast() || e.Addr.Zone() != "":
			return ledgerFile{}, fmt.Errorf("address %d (%s) lacks a part", i+1, e.Addr)
		case seen[e.place()]:
			return ledgerFile{}, fmt.Errorf("%s is there twice for link %s", e.Addr, e.Link)
		}
		seen[e.place()] = true
	}
	return file, nil
}

// save replaces the file in one step, so that a crash leaves the old ledger or
// the new one. An empty ledger leaves no file.
func (s store) save(l ledger, here origin) error {
	if err := s.replace(l, here); err != nil {
		return fmt.Errorf("write the ledger of addresses: %w", err)
	}
	return nil
}

func (s store) replace(l ledger, here origin) error {
	if err := s.step("save the ledger"); err != nil {
		return err
	}
	if len(l) == 0 {
		for _, path := range []string{s.path(), s.temp()} {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return s.syncDir()
	}
	b, err := json.Marshal(ledgerFile{ledgerVersion, here, l.sorted()})
	if err != nil {
		return err
	}
	err = writeSynced(s.temp(), append(b, '\n'))
	if err == nil {
		err = s.step("put the ledger in its place")
	}
	if err == nil {
		err = os.Rename(s.temp(), s.path())
	}
	if err != nil {
		_ = os.Remove(s.temp())
		return err
	}
	return s.syncDir()
}

func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a rename or removal last (fsync(2), NOTES).
func (s store) syncDir() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
