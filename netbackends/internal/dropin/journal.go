package dropin

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/plugins"
)

const (
	journalPath    = "/journal.json"
	journalVersion = 1
)

// record is the state before an Apply: enough to go back to it after a crash.
type record struct {
	Version int           `json:"version"`
	Files   []before      `json:"files"`
	VIPs    []plugins.VIP `json:"vips"` // held, adopted ones too
}

// before is one file of a record.
type before struct {
	hostfile.Snapshot
	OwnFolder bool `json:"own_folder,omitempty"`
	// After are checksums of what Apply calls put there; "" is no file. Content
	// that is none of these is somebody else's, and stays.
	After []string `json:"after"`
}

// extend adds changes that are about to be done. Files that are in the record
// already keep their oldest content.
func (r *record) extend(changes []*hostfile.Change) {
	for _, c := range changes {
		i := slices.IndexFunc(r.Files, func(b before) bool { return b.Path == c.Before.Path })
		if i < 0 {
			i = len(r.Files)
			r.Files = append(r.Files, before{Snapshot: c.Before, OwnFolder: c.OwnFolder})
		}
		r.Files[i].After = append(r.Files[i].After, checksum(c.After))
	}
}

func checksum(s hostfile.Snapshot) string {
	if !s.Exists {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256(s.Body))
}

// journal keeps the record while an Apply is on its way.
type journal struct{ root hostfile.Root }

// load gives the record of an Apply that was cut off, or nil.
func (j journal) load() (*record, error) {
	s, err := j.root.Read(journalPath)
	if err != nil || !s.Exists {
		return nil, err
	}
	var r record
	d := json.NewDecoder(bytes.NewReader(s.Body))
	d.DisallowUnknownFields()
	err = d.Decode(&r)
	if err == nil && r.Version != journalVersion {
		err = errors.New("it is of another version of stentor")
	}
	if err != nil {
		return nil, fmt.Errorf("%s%s, the journal of an apply that was cut off, can't be read (%w): "+
			"look at the files that stentor diff shows, then move the journal away", j.root.Dir, journalPath, err)
	}
	return &r, nil
}

func (j journal) save(r *record) error {
	r.Version = journalVersion
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return j.root.Write(j.snapshot(append(body, '\n')), false)
}

// close ends the Apply: from here on there is no way back.
func (j journal) close() error { return j.root.Write(j.snapshot(nil), false) }

func (j journal) snapshot(body []byte) hostfile.Snapshot {
	return hostfile.Private(journalPath, body)
}
