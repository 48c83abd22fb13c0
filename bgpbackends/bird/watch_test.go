package bird

import (
	"context"
	"sync"
	"testing"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/plugins"
)

// news collects what Watch tells.
type news struct {
	mu  sync.Mutex
	all []plugins.Change
}

func (n *news) add(c plugins.Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, c)
}

// after gives what came after the first i.
func (n *news) after(i int) []plugins.Change {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]plugins.Change(nil), n.all[i:]...)
}

// TestWatch: a BIRD that goes is told of, one that comes back too, and one that
// comes back without our file as a loss; then Apply mends it.
func TestWatch(t *testing.T) {
	r := newRig(t, lab.Embedded, 1)
	want := speakerOf(r.routeServers(), announcement("198.18.0.1/32", 1))
	r.apply(want)
	var told news
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan error, 1)
	go func() { done <- r.b.Watch(ctx, told.add) }()
	r.until("news of the session", func() (bool, any) {
		all := told.after(0)
		for _, c := range all {
			if c.Object == "rs1" && !c.Lost {
				return true, nil
			}
		}
		return r.observe("rs1").State == plugins.StateEstablished, all
	})

	count := len(told.after(0))
	r.stopBIRD()
	r.until("news of BIRD's end", func() (bool, any) { all := told.after(count); return len(all) > 0, all })
	count = len(told.after(0))
	r.startBIRD()
	r.until("news of BIRD's return", func() (bool, any) { all := told.after(count); return len(all) > 0, all })
	r.established("rs1")
	r.tells("rs1", "198.18.0.1/32")

	r.stopBIRD()
	if err := r.b.file.remove(true); err != nil {
		t.Fatal(err)
	}
	r.startBIRD()
	r.until("news of the loss", func() (bool, any) {
		all := told.after(count)
		for _, c := range all {
			if c.Lost {
				return true, nil
			}
		}
		return false, all
	})
	r.apply(want)
	r.established("rs1")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Watch ended with %v", err)
	}
}
