package frr

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

const (
	// lookEvery is how often the sessions are looked at: bgpd tells nobody when
	// one changes. On a connection that is open already that costs it less than
	// a millisecond.
	lookEvery = time.Second
	// redialEvery is how often a daemon that is down is looked for.
	redialEvery = 500 * time.Millisecond
)

// watched are the daemons that hold something of ours.
var watched = []string{bgpdName, "zebra", staticd, bfdd}

// Watch keeps a connection to each daemon open, which ends when the daemon
// does, and looks at the sessions every second.
func (b *Backend) Watch(ctx context.Context, changed func(plugins.Change)) error {
	var one sync.Mutex
	tell := func(c plugins.Change) {
		one.Lock()
		defer one.Unlock()
		changed(c)
	}
	var daemons sync.WaitGroup
	for _, name := range watched {
		daemons.Go(func() { b.watchDaemon(ctx, name, tell) })
	}
	daemons.Wait()
	return nil
}

// watchDaemon reports each end and each return of a daemon. One that does not
// run from the start is none of ours until it does.
func (b *Backend) watchDaemon(ctx context.Context, name string, tell func(plugins.Change)) {
	known, lost := false, false
	for ctx.Err() == nil {
		d, err := dial(ctx, b.settings.socket(name))
		if err != nil {
			if known && !lost {
				lost = true
				tell(plugins.Change{Why: name + " has ended", Lost: true})
			}
			select {
			case <-ctx.Done():
			case <-time.After(redialEvery):
			}
			continue
		}
		if known {
			tell(plugins.Change{Why: name + " was restarted", Lost: true})
		}
		known, lost = true, false
		b.follow(ctx, d, name == bgpdName, tell)
		d.close()
	}
}

// follow returns when the daemon has ended, or does not answer.
func (b *Backend) follow(ctx context.Context, d *daemon, bgpd bool, tell func(plugins.Change)) {
	seen := map[netip.Addr]glimpse{}
	var applies uint64
	for d.idle(ctx, lookEvery) {
		want := b.held.Load()
		if !bgpd || want == nil || len(want.peers) == 0 {
			continue
		}
		// bgpd sends what it was given some time after it took it. What was announced
		// and withdrawn again between two looks would be believed to be there still.
		if n := b.applies.Load(); n != applies {
			applies = n
			clear(seen)
		}
		now, err := d.summary(ctx)
		if err != nil {
			return
		}
		for _, p := range want.peers {
			g, ok := now[p.Addr]
			switch {
			case !ok: // told every time: it must not stay so
				tell(plugins.Change{Object: p.Name, Why: "FRR has no neighbor " + p.Addr.String() + " any more", Lost: true})
			case g != seen[p.Addr]: // nobody knows what was before the first look
				tell(plugins.Change{Object: p.Name, Why: fmt.Sprintf("session is %s, %d prefixes sent", strings.ToLower(g.State), g.Sent)})
			}
			seen[p.Addr] = g
		}
	}
}

// glimpse is a neighbor in `show bgp summary json`.
type glimpse struct {
	State string `json:"state"`
	Sent  int    `json:"pfxSnt"`
	// Times counts the sessions so far: one may end and be back between two looks.
	Times int `json:"connectionsEstablished"`
}

func (d *daemon) summary(ctx context.Context) (map[netip.Addr]glimpse, error) {
	answer, err := d.run(ctx, "show bgp summary json")
	if err != nil {
		return nil, err
	}
	return parseSummary(answer)
}

// parseSummary adds up a neighbor's families.
func parseSummary(answer []byte) (map[netip.Addr]glimpse, error) {
	var families map[string]json.RawMessage
	if err := json.Unmarshal(answer, &families); err != nil {
		return nil, fmt.Errorf("FRR's summary: %w", err)
	}
	out := map[netip.Addr]glimpse{}
	for _, raw := range families {
		var family struct {
			Peers map[string]glimpse `json:"peers"`
		}
		if json.Unmarshal(raw, &family) != nil {
			continue // a word beside the families
		}
		for key, g := range family.Peers {
			addr, err := netip.ParseAddr(key)
			if err != nil {
				continue // an interface's name
			}
			g.Sent += out[addr].Sent
			out[addr] = g
		}
	}
	return out, nil
}

// idle waits; false if the connection or ctx ends meanwhile.
func (d *daemon) idle(ctx context.Context, wait time.Duration) bool {
	stop := context.AfterFunc(ctx, func() { d.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	d.conn.SetReadDeadline(time.Now().Add(wait))
	_, err := d.conn.Read(make([]byte, 1)) // nobody speaks unasked
	if ctx.Err() != nil || !isTimeout(err) {
		return false
	}
	d.conn.SetReadDeadline(time.Time{})
	return ctx.Err() == nil
}
