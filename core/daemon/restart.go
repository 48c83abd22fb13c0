package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"

	"github.com/stentor-net/stentor/core/reconcile"
	"github.com/stentor-net/stentor/core/statefile"
)

const (
	// askLimit bounds the question to systemd: whoever stops us waits for it.
	askLimit = 3 * time.Second
	// pastAge is how old the past may be that a run takes over.
	pastAge = time.Minute
)

// restarting gives what tells whether systemd stops this process to start it
// again; nil if systemd did not start it (systemd.exec(5)). Both jobs send the
// same SIGTERM, and until the process has ended, the job is there to be seen
// (org.freedesktop.systemd1(5)). In doubt it is a stop: nobody may come back for
// the routes, and with a config that the next run refuses nobody does.
func (d *Daemon) restarting() func(context.Context) bool {
	if os.Getenv("INVOCATION_ID") == "" {
		return nil
	}
	return func(ctx context.Context) bool {
		ctx, cancel := context.WithTimeout(ctx, askLimit)
		defer cancel()
		job, err := ownJob(ctx)
		if err != nil {
			d.Log.Warn("systemd does not say whether this is a restart, so it is a stop", "error", err)
		}
		if job != "restart" {
			return false
		}
		if err := d.startable(); err != nil {
			d.Log.Error("the next run will not start, so the routes are withdrawn", "error", err)
			return false
		}
		return true
	}
}

// startable tells what the next run would refuse of its config. One on trial is
// not what is on disk, and is in force.
func (d *Daemon) startable() error {
	if d.trial.Load() != nil {
		return nil
	}
	_, _, err := d.read()
	return err
}

// ownJob is the type of the job that systemd has for our unit; empty if there
// is none.
func ownJob(ctx context.Context) (string, error) {
	conn, err := sd.NewWithContext(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	unit, err := conn.GetUnitByPID(ctx, uint32(os.Getpid()))
	if err != nil {
		return "", err
	}
	jobs, err := conn.ListJobsContext(ctx)
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(jobs, func(j sd.JobStatus) bool { return j.UnitPath == unit }); i >= 0 {
		return jobs[i].JobType, nil
	}
	return "", nil
}

// heritage is what one run leaves for the next beside its socket: in a folder
// that systemd keeps over a restart alone (RuntimeDirectoryPreserve=).
type heritage struct {
	At   time.Time      `json:"at"`
	Past reconcile.Past `json:"past"`
}

func (o Options) heritagePath() string { return o.Socket + ".restart" }

// inherit takes over what the run before this one left, once.
func (o Options) inherit() (reconcile.Past, error) {
	var h heritage
	err := statefile.Read(o.heritagePath(), &h)
	if gone := os.Remove(o.heritagePath()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		return nil, gone // whoever starts next would believe it
	}
	if age := time.Since(h.At); err != nil || age < 0 || age > pastAge {
		return nil, err
	}
	return h.Past, nil
}

// bequeath leaves past to the run that follows.
func (d *Daemon) bequeath(past reconcile.Past) {
	if err := statefile.Write(d.heritagePath(), heritage{At: time.Now(), Past: past}); err != nil {
		d.Log.Error("the next run can't be told of the checks, and waits for their first results", "error", err)
	}
}
