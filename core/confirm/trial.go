// Package confirm rolls back a config that nobody confirmed in time.
//
// What is needed for the way back is on disk before anything is changed, and a
// process of its own, the guard, waits for the deadline. So it outlives the
// terminal, the daemon, and every network stack.
package confirm

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/plugins"
)

// Trial is a config that is in force until a deadline unless it is confirmed,
// or one whose time ran out.
type Trial struct {
	Began    Moment `json:"began"`
	Deadline Moment `json:"deadline"`
	// Network is the backend that holds the addresses: what fits the host may
	// look different at the deadline, as with a stack that died since.
	Network string `json:"network"`
	// Tried are the files of the config on trial.
	Tried []config.File `json:"tried"`
	// Before are those of the config that was in force; none when there was
	// none, or it is not known.
	Before []config.File `json:"before,omitempty"`
	// Held is what the network backend held then.
	Held []Held `json:"held"`
	// RolledBack is when the way back was done; zero while there is still time,
	// or the way back is under way.
	RolledBack time.Time `json:"rolled_back,omitzero"`
}

// Held is a VIP as it was held.
type Held struct {
	VIP     string     `json:"vip"`
	Address netip.Addr `json:"address"`
	Link    string     `json:"link"`
}

// Hold makes the Held of what was asked of a backend.
func Hold(vips []plugins.VIP) []Held {
	held := make([]Held, 0, len(vips))
	for _, v := range vips {
		held = append(held, Held{VIP: v.Name, Address: v.Addr, Link: v.Link})
	}
	return held
}

// VIPs are what the backend has to hold again.
func (t *Trial) VIPs() []plugins.VIP {
	var vips []plugins.VIP
	for _, h := range t.Held {
		vips = append(vips, plugins.VIP{Name: h.VIP, Addr: h.Address, Link: h.Link})
	}
	return vips
}

// Until is the deadline as people read it; "" when there is none any more.
func (t *Trial) Until() string { return clock(t.Deadline.Wall) }

// On reports whether t can still be confirmed.
func (t *Trial) On(now Moment) bool { return t != nil && t.RolledBack.IsZero() && t.Left(now) > 0 }

// Due reports whether the way back is to be done.
func (t *Trial) Due(now Moment) bool { return t != nil && t.RolledBack.IsZero() && t.Left(now) <= 0 }

// Left is how much time there is. After a reboot it is told by the wall clock;
// one that is before the trial's beginning is wrong, and counts as too late.
func (t *Trial) Left(now Moment) time.Duration {
	if now.Boot != t.Deadline.Boot && now.Wall.Before(t.Began.Wall) {
		return 0
	}
	return t.Deadline.since(now)
}

// Rejects reports whether files are the config that was rolled back. Paths do
// not count: the same file may be named in another way.
func (t *Trial) Rejects(files []config.File) bool {
	return t != nil && !t.RolledBack.IsZero() && Same(t.Tried, files)
}

// Same reports whether two configs are of the same bytes.
func Same(a, b []config.File) bool {
	return slices.EqualFunc(a, b, func(a, b config.File) bool { return a.Text == b.Text })
}

// Old is the config to go back to. When none is known, it is the one on trial
// with nothing in it but what was held already.
func (t *Trial) Old(o config.Options) (*config.Config, error) {
	if len(t.Before) > 0 {
		cfg, _, err := config.LoadTexts(t.Before, o)
		if err != nil {
			return nil, fmt.Errorf("the config from before the trial can't be used any more: %w", err)
		}
		return cfg, nil
	}
	cfg, _, err := config.LoadTexts(t.Tried, o)
	if err != nil {
		return nil, fmt.Errorf("the config on trial can't be used any more: %w", err)
	}
	cfg.VIPs = slices.DeleteFunc(cfg.VIPs, func(v config.VIP) bool {
		return !slices.ContainsFunc(t.Held, func(h Held) bool { return h.Address == v.Addr })
	})
	return cfg, nil
}

// Confirmable tells why a trial can't be confirmed; nil if it can.
func (t *Trial) Confirmable(now Moment) error {
	switch {
	case t == nil:
		return refuse("nothing waits for a confirmation")
	case !t.RolledBack.IsZero():
		return refuse("too late: it was rolled back at %s; to try the config on disk again: stentor apply --confirm DURATION", clock(t.RolledBack))
	case !t.On(now):
		return refuse("too late: the time was over at %s, and the config is being rolled back", t.Until())
	}
	return nil
}

// InTheWay tells why another config can't be taken over; nil if it can.
func (t *Trial) InTheWay(now Moment) error {
	switch {
	case t.On(now):
		return refuse("a config is on trial until %s; keep it first, with: stentor confirm", t.Until())
	case t.Due(now):
		return refuse("the config on trial was not confirmed, and is being rolled back; try again in a moment")
	}
	return nil
}

func refuse(format string, args ...any) error {
	return &control.Error{Kind: control.KindRefused, Message: fmt.Sprintf(format, args...)}
}

// clock is how people read a moment of today.
func clock(t time.Time) string { return t.Local().Format("15:04:05") }
