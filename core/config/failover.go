package config

import (
	"cmp"
	"math"
	"time"
)

// OnUnhealthy says what becomes of the route of a VIP whose checks fail.
type OnUnhealthy string

// The choices of on_unhealthy.
const (
	// UnhealthyWithdraw takes the route back.
	UnhealthyWithdraw OnUnhealthy = "withdraw"
	// UnhealthyDemote leaves it with VIP.DemotedAttrs, so that the address is
	// still served when no host is healthy (fail-open).
	UnhealthyDemote OnUnhealthy = "demote"
)

// The choices of drain_address.
const (
	drainKeep   = "keep"
	drainRemove = "remove"
)

// Failover is what the health of a VIP means for its route.
type Failover struct {
	OnUnhealthy OnUnhealthy
	// RecoveryDelay is how long a VIP must have been healthy again before its
	// route is what it was.
	RecoveryDelay time.Duration
	// StartDelay is how long nothing is announced after the daemon started, or
	// after the VIP came into the config.
	StartDelay time.Duration
	// MinAnnounce is the least time between two announcements. It never holds up
	// a withdrawal.
	MinAnnounce time.Duration
	// NoPreempt: once the VIP has been unhealthy, this host stays demoted until
	// a person says otherwise.
	NoPreempt bool
	Damping   *Damping // nil: off
}

// Damping are the parameters of route flap damping (RFC 2439 §4.2), for a VIP
// whose health changes too often.
type Damping struct {
	Penalty  int // what one loss of health costs
	Suppress int // above so much, the VIP is held back
	Reuse    int // below so much, no more
	// HalfLife is how long a penalty takes to halve.
	HalfLife time.Duration
	// MaxSuppress is the longest that a VIP is held back.
	MaxSuppress time.Duration
}

// maxPenalty bounds a penalty where max_suppress is many half-lives.
const maxPenalty = 1_000_000

// Ceiling is the largest penalty: the one that takes MaxSuppress to decay to
// Reuse (RFC 2439 §4.2).
func (d Damping) Ceiling() float64 {
	return min(float64(d.Reuse)*math.Exp2(float64(d.MaxSuppress)/float64(d.HalfLife)), maxPenalty)
}

// readDamping reads [damping]. The table switches it on, even if it is empty.
func (b *builder) readDamping() *Damping {
	t := b.root.sub("damping")
	if t == nil {
		return nil
	}
	d := &Damping{Penalty: 1000, Suppress: 3000, Reuse: 1000, HalfLife: time.Minute, MaxSuppress: 5 * time.Minute}
	set(&d.Penalty, t, "penalty")
	suppress := set(&d.Suppress, t, "suppress")
	reuse := set(&d.Reuse, t, "reuse")
	halfLife := set(&d.HalfLife, t, "half_life")
	longest := set(&d.MaxSuppress, t, "max_suppress")
	switch {
	case d.Reuse >= d.Suppress:
		b.fail(cmp.Or(reuse, suppress).whole(), "make reuse the smaller one, such as a third of suppress", "reuse %d is not below suppress %d", d.Reuse, d.Suppress)
	case d.Ceiling() <= float64(d.Suppress):
		at := cmp.Or(longest, halfLife, suppress, reuse)
		b.fail(at.whole(), "make max_suppress several times half_life",
			"nothing is ever held back: a penalty that decays to reuse %d within max_suppress %s is at most %.0f, and suppress is %d",
			d.Reuse, short(d.MaxSuppress), d.Ceiling(), d.Suppress)
	}
	return d
}

// set takes over a key that is there, and gives its place.
func set[T any](to *T, t *table, key string) *value {
	x, at := get[T](t, key)
	if at != nil {
		*to = x
	}
	return at
}

// failover reads what [vip.NAME] says of it. demotion tells whether peers see
// a difference between a demoted host and a healthy secondary.
func (b *builder) failover(out *VIP, v *vip, demotion bool) {
	f := Failover{OnUnhealthy: UnhealthyWithdraw, Damping: b.damping}
	unhealthy := set(&f.OnUnhealthy, v.t, "on_unhealthy")
	recovery := set(&f.RecoveryDelay, v.t, "recovery_delay")
	set(&f.StartDelay, v.t, "start_delay")
	again := set(&f.MinAnnounce, v.t, "min_announce")
	preempt := true
	failback := set(&preempt, v.t, "preempt")
	f.NoPreempt = !preempt
	out.Failover = f

	for _, at := range []*value{unhealthy, recovery, again, failback} {
		if at != nil && !v.t.has("checks") && v.t.sub("check") == nil {
			b.warn(at.name(), "write [vip."+v.name+".check.NAME], or checks = [\"NAME\"]", "%s has no check, so it never is unhealthy, and %s never matters", v.t.label, at.key)
		}
	}
	asks := unhealthy
	if f.NoPreempt {
		asks = failback
	}
	if !demotion && !b.partial && (f.NoPreempt || f.OnUnhealthy == UnhealthyDemote) {
		b.warn(asks.name(), "write [bgp.role.demoted] with something that the peers compare, such as prepend = 4", "%s is announced alike by a demoted host and by a healthy secondary", v.t.label)
	}
}
