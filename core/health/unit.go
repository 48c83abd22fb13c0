package health

import (
	"context"
	"fmt"
	"maps"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
)

const (
	// unitUpdates is how many changes of units may wait; should there be more,
	// all units are read again.
	unitUpdates = 1024
	// unitsAgain is how often all units are read in any case, and connectionEvery
	// how often the connection is looked at.
	unitsAgain      = 30 * time.Second
	connectionEvery = time.Second
	// unitCall bounds a call of systemd.
	unitCall = 5 * time.Second
	// busLost is how long the connection may be away until that counts: the bus
	// is restarted by upgrades, and units live on.
	busLost  = 3 * time.Second
	busRetry = 200 * time.Millisecond
)

// Unit is good while a systemd unit is active. systemd tells by itself when that
// ends.
type Unit struct{ Name string }

// Kind is "unit".
func (Unit) Kind() string { return "unit" }

// Target is the unit's name.
func (p Unit) Target() string { return p.Name }

// UnitState is what systemd says of a unit.
type UnitState struct {
	Load, Active, Sub string // the unit's properties (org.freedesktop.systemd1(5))
	Err               string // why nothing is known
}

func (p Unit) judge(f Facts) (result, bool) {
	u, ok := f.Units[p.Name]
	switch {
	case !ok:
		return result{}, false
	case u.Err != "":
		return notRun(u.Err), true
	case u.Load == "not-found":
		return notRun("there is no unit " + p.Name), true
	}
	output := u.Active + " (" + u.Sub + ")"
	switch u.Active {
	case "active", "reloading", "refreshing":
		return good(output), true
	}
	return bad(output), true
}

// followUnits keeps Facts.Units up to date until ctx ends.
func (r *Runner) followUnits(ctx context.Context) {
	var lost time.Time // when the connection went
	for ctx.Err() == nil {
		names := r.units()
		if len(names) == 0 {
			select {
			case <-ctx.Done():
			case <-r.unitsMoved:
			}
			continue
		}
		f := follower{names: names, feed: r.feedUnits, moved: r.unitsMoved}
		err := f.follow(ctx)
		if err == nil || ctx.Err() != nil {
			lost = time.Time{}
			continue
		}
		if f.connected {
			lost = time.Now()
		}
		if time.Since(lost) >= busLost {
			r.feedUnits(unreachable(names, err))
		}
		r.log.Debug("lost sight of systemd's units, looking again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(busRetry):
		}
	}
}

func unreachable(names []string, err error) map[string]UnitState {
	states := make(map[string]UnitState, len(names))
	for _, n := range names {
		states[n] = UnitState{Err: "systemd can't be asked: " + err.Error()}
	}
	return states
}

func (r *Runner) feedUnits(states map[string]UnitState) {
	r.Feed(func(f *Facts) { f.Units = states })
}

// followOther has followUnits look for other units, if it follows any.
func (r *Runner) followOther() {
	select {
	case r.unitsMoved <- struct{}{}:
	default:
	}
}

// follower is one connection to systemd.
type follower struct {
	names     []string
	feed      func(map[string]UnitState)
	moved     <-chan struct{}
	connected bool

	conn   *sd.Conn
	states map[string]UnitState // by the name that the check uses
	of     map[string][]string  // the same names by the unit's Id, which is another one for an alias
}

// follow feeds the units' states until ctx ends or other units are to be
// followed, which gives nil, or the connection is lost.
func (f *follower) follow(ctx context.Context) error {
	var err error
	if f.conn, err = sd.NewWithContext(ctx); err != nil {
		return err
	}
	defer f.conn.Close()
	updates, overflow := make(chan *sd.PropertiesUpdate, unitUpdates), make(chan error, 1)
	f.conn.SetPropertiesSubscriber(updates, overflow)
	// From here on no change is missed.
	if err := f.conn.Subscribe(); err != nil {
		return fmt.Errorf("subscribe to its signals: %w", err)
	}
	if err := f.read(ctx); err != nil {
		return err
	}
	f.connected = true
	again, alive := time.NewTicker(unitsAgain), time.NewTicker(connectionEvery)
	defer again.Stop()
	defer alive.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.moved:
			return nil
		case u := <-updates:
			f.take(u)
			continue
		case <-overflow:
		case <-again.C:
		case <-alive.C:
			if !f.conn.Connected() {
				return fmt.Errorf("the connection was lost")
			}
			continue
		}
		if err := f.read(ctx); err != nil {
			return err
		}
	}
}

// read asks for the state of each unit.
func (f *follower) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, unitCall)
	defer cancel()
	f.states, f.of = map[string]UnitState{}, map[string][]string{}
	for _, name := range f.names {
		p, err := f.conn.GetUnitPropertiesContext(ctx, name)
		if err != nil {
			return fmt.Errorf("ask for %s: %w", name, err)
		}
		text := func(key string) string { s, _ := p[key].(string); return s }
		f.states[name] = UnitState{Load: text("LoadState"), Active: text("ActiveState"), Sub: text("SubState")}
		f.of[text("Id")] = append(f.of[text("Id")], name)
	}
	f.feed(f.states)
	return nil
}

// take takes in what one unit's state changed to.
func (f *follower) take(u *sd.PropertiesUpdate) {
	names := f.of[u.UnitName]
	if len(names) == 0 {
		return
	}
	text := func(key, before string) string {
		if s, ok := u.Changed[key].Value().(string); ok {
			return s
		}
		return before
	}
	f.states = maps.Clone(f.states) // the old map was handed out
	for _, n := range names {
		was := f.states[n]
		f.states[n] = UnitState{Load: text("LoadState", was.Load), Active: text("ActiveState", was.Active), Sub: text("SubState", was.Sub)}
	}
	f.feed(f.states)
}
