package plugins

import "context"

// APIVersion is the major version of this contract. A backend and a core
// that name the same number understand each other.
const APIVersion = 1

// Backend is what every backend does, whatever it drives.
//
// The life of a backend: Info, Configure once, then any of the other calls in
// any order, Close once. Two of Plan, Apply and Observe of one backend never run
// at the same time, also when one was cut off; the others run beside them. Every
// call but Info must return soon after its context ends.
type Backend interface {
	// Info tells name, version and capabilities. It does no I/O and may be
	// called before Configure.
	Info() Info
	// Configure hands over the backend's own [backend.NAME] table, once,
	// before any call below. A mistake in it is a *ConfigError.
	Configure(ctx context.Context, c Config) error
	// Detect tells whether the backend fits this host, and why. It changes nothing.
	Detect(ctx context.Context) (Detection, error)
	// Watch reports what moves outside Apply until ctx ends, and then returns
	// nil. Any other return means that events may have been missed; core
	// looks for itself and calls Watch again.
	Watch(ctx context.Context, changed func(Change)) error
	// Close frees what the backend holds in this process. It takes nothing off
	// the host and withdraws nothing by intent.
	Close() error
}

// NetBackend puts addresses on the host through one network stack.
type NetBackend interface {
	Backend
	// Plan tells the steps that Apply would take, and changes nothing. A Plan
	// without steps means that the host holds exactly want already.
	Plan(ctx context.Context, want []VIP) (Plan, error)
	// Apply makes the host hold exactly want of the addresses that this
	// backend owns, now and after a reboot if the stack can. It is idempotent,
	// and mends what an earlier call left half done. An empty want leaves no
	// trace of ours. An address that was on the host before the backend first
	// saw it is adopted: used, and never removed. So is one that a file of
	// somebody else's brings there, for as long as it does.
	Apply(ctx context.Context, want []VIP) error
	// Observe tells what the backend holds and what it has adopted.
	Observe(ctx context.Context) ([]VIPState, error)
}

// BGPBackend announces prefixes through one BGP speaker.
type BGPBackend interface {
	Backend
	// Plan tells the steps that Apply would take, and changes nothing. A Plan
	// without steps means that the speaker holds exactly want already. What
	// can't be done may be named by an error beside the steps for the rest.
	Plan(ctx context.Context, want Speaker) (Plan, error)
	// Apply makes the speaker hold exactly want. The zero Speaker withdraws all
	// of ours and ends our sessions, in this order: each established peer is
	// sent the withdrawal before its session gets a Cease. Changed attributes
	// of a prefix replace the old ones in place (RFC 4271 §9.1.4: implicit
	// withdrawal); what want has in common with the present is not touched.
	Apply(ctx context.Context, want Speaker) error
	// Observe tells the sessions, and what each peer was told.
	Observe(ctx context.Context) (SpeakerState, error)
}
