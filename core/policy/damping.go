package policy

import (
	"math"
	"time"

	"github.com/stentor-net/stentor/core/config"
)

// Damper remembers the flaps of one VIP (RFC 2439). The zero value has seen none.
type Damper struct {
	Penalty float64   // as it was at At; it decays from there
	At      time.Time // the last flap
	// Since and Until are the last time for which the VIP is held back.
	Since, Until time.Time
}

// flap counts one loss of health.
func (d Damper) flap(rules *config.Damping, now time.Time) Damper {
	if rules == nil {
		return Damper{}
	}
	d.Penalty = min(d.now(rules, now)+float64(rules.Penalty), rules.Ceiling())
	d.At = now
	held := now.Before(d.Until)
	if !held && d.Penalty <= float64(rules.Suppress) {
		return d
	}
	if !held {
		d.Since = now
	}
	// The ceiling bounds the time from the last flap (RFC 2439 §4.2). A service
	// that never stops flapping is let back now and then all the same: it may be
	// the only one.
	halvings := math.Log2(d.Penalty / float64(rules.Reuse))
	d.Until = now.Add(time.Duration(max(halvings, 0) * float64(rules.HalfLife)))
	if end := d.Since.Add(rules.MaxSuppress); d.Until.After(end) {
		d.Until = end
	}
	return d
}

// now is what is left of the penalty. Less than half of reuse is forgotten
// (RFC 2439 §4.8.6).
func (d Damper) now(rules *config.Damping, now time.Time) float64 {
	if rules == nil || d.Penalty == 0 {
		return 0
	}
	left := d.Penalty * math.Exp2(-float64(now.Sub(d.At))/float64(rules.HalfLife))
	if left < float64(rules.Reuse)/2 {
		return 0
	}
	return left
}

// until is when the VIP is held back no more; zero if it is not.
func (d Damper) until(rules *config.Damping, now time.Time) time.Time {
	if rules == nil || !now.Before(d.Until) {
		return time.Time{}
	}
	return d.Until
}
