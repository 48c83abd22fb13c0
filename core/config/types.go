// Package config reads Stentor's TOML into checked values, and draws every
// mistake where it stands.
package config

import (
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/plugins"
)

// Config is one checked configuration: defaults and provider data are filled
// in, so a reader of it needs no second look at the file.
type Config struct {
	Files    []string // what was read, in order
	Network  Network
	BGP      BGP
	HTTP     HTTP
	History  History
	Hooks    []Hook                    // sorted by name
	VIPs     []VIP                     // sorted by name
	Checks   []health.Spec             // sorted by name
	Backends map[string]map[string]any // [backend.NAME], opaque to core

	index index // where each key stands
	texts []File
}

// File is one file of a config, as it was read.
type File struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// Texts are the files that the config was made of, for LoadTexts. Nobody may
// change them.
func (c *Config) Texts() []File { return c.texts }

// Network is [network].
type Network struct {
	Backend string // "auto" or a backend's name
	// HoldDown is how long an announced address may be missing from the host
	// before it is withdrawn and put back: network stacks take addresses away
	// for some 100 ms when an admin runs their apply.
	HoldDown time.Duration
}

// BGP is [bgp] with what its provider says.
type BGP struct {
	Backend  string
	Provider string // "generic" when none is named
	ASN      uint32
	RouterID netip.Addr     // zero: derived from the host
	Peers    []plugins.Peer // sorted by name
	// DrainGrace is how long a drained VIP is still announced with
	// GRACEFUL_SHUTDOWN before it is withdrawn (RFC 8326 §4.2).
	DrainGrace time.Duration
	// DrainRemoves: a drained VIP's address leaves the host after its route.
	DrainRemoves bool
	OnExit       OnExit
	OnRestart    OnRestart
}

// OnExit says what a clean stop does with the routes.
type OnExit string

// The choices of on_exit.
const (
	OnExitWithdraw OnExit = "withdraw"
	OnExitDrain    OnExit = "drain" // first as a drain does, then withdraw
	OnExitKeep     OnExit = "keep"  // needs plugins.CapOutlivesDaemon
)

// OnRestart says what becomes of the routes when the service manager stops the
// daemon only to start it again.
type OnRestart string

// The choices of on_restart.
const (
	OnRestartStop OnRestart = "stop" // as on_exit says
	OnRestartKeep OnRestart = "keep" // the next run takes them over
)

// Role is what this host is for a VIP.
type Role string

// The roles.
const (
	Primary   Role = "primary"
	Secondary Role = "secondary"
)

// roleDemoted names the attributes of a demoted VIP; no VIP has it as its role.
const roleDemoted = "demoted"

// VIP is one [vip.NAME], its policy turned into attributes.
type VIP struct {
	Name   string
	Addr   netip.Addr   // put on the host, as /32 or /128
	Prefix netip.Prefix // announced; canonical
	Link   string
	Role   Role
	Attrs  Attrs // as its role and its own overrides say
	// DrainAttrs are the attributes while it is drained: never more attractive
	// than the secondary role's or its own, and with GRACEFUL_SHUTDOWN.
	DrainAttrs Attrs
	// DemotedAttrs are the attributes while another host is to be preferred,
	// a secondary before all: less attractive than any healthy host's.
	DemotedAttrs Attrs
	NextHop      netip.Addr // zero: the session's own
	Peers        []string   // empty: all
	// Checks are the names of the checks that decide on it, its own first:
	// "web/https", "dns". Each is in Config.Checks.
	Checks  []string
	Require Require
	// Failover says what their state means for the route.
	Failover Failover
}

// Tells reports whether a peer is told of the VIP.
func (v VIP) Tells(peer string) bool { return len(v.Peers) == 0 || slices.Contains(v.Peers, peer) }

// Require says how many of a VIP's checks must be up. The zero value wants all
// of them.
type Require struct {
	Any bool // one is enough
	// Weight, if not 0, is what the weights of those that are up must come to.
	Weight int
}

// Attrs are the path attributes that a role stands for.
type Attrs struct {
	Communities      []plugins.Community
	LargeCommunities []plugins.LargeCommunity
	MED              *uint32
	LocalPref        *uint32
	Prepend          int
}
