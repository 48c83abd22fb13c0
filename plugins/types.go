package plugins

import (
	"net/netip"
	"time"
)

// Kind tells the two interfaces apart.
type Kind string

// The kinds of backend.
const (
	KindNet Kind = "network"
	KindBGP Kind = "bgp"
)

// Cap names something that a backend can do and another may lack. Core
// refuses an option that needs a missing capability when it reads the config.
type Cap string

// Capabilities of network backends.
const (
	// CapPersist: what Apply did is there again after a reboot, before core runs.
	CapPersist Cap = "persist"
	// CapLink: VIP.Link may name another link than "lo".
	CapLink Cap = "link"
)

// Capabilities of BGP backends. Each names the option of Peer or Announcement
// that it allows.
const (
	CapMD5              Cap = "md5"               // Peer.Password (RFC 2385)
	CapTCPAO            Cap = "tcp-ao"            // Peer.AO (RFC 5925)
	CapTTLSecurity      Cap = "ttl-security"      // Peer.TTLSecurity (RFC 5082)
	CapMultihop         Cap = "multihop"          // Peer.TTL above 1
	CapBFD              Cap = "bfd"               // Peer.BFD (RFC 5880)
	CapBFDAuth          Cap = "bfd-auth"          // BFD.Password
	CapGracefulRestart  Cap = "graceful-restart"  // Peer.GracefulRestart (RFC 4724)
	CapLocalAddr        Cap = "local-address"     // Peer.LocalAddr
	CapLargeCommunities Cap = "large-communities" // Announcement.LargeCommunities (RFC 8092)
	CapMED              Cap = "med"               // Announcement.MED
	CapLocalPref        Cap = "local-pref"        // Announcement.LocalPref (iBGP only)
	CapPrepend          Cap = "prepend"           // Announcement.Prepend
	CapNextHop          Cap = "next-hop"          // Announcement.NextHop
	CapPerPeer          Cap = "per-peer"          // Announcement.Peers
	// CapOutlivesDaemon: routes stay announced when core's process ends, so
	// on_exit = "keep" can be kept.
	CapOutlivesDaemon Cap = "outlives-daemon"
)

// CapUnprivileged, of any backend: it needs no capability (capabilities(7)) and
// no file but its own. Core runs a built-in that has it as another user, in a
// process of its own.
const CapUnprivileged Cap = "unprivileged"

// Info says who a backend is.
type Info struct {
	Name    string // as in backend = "NAME"
	Version string // of the backend itself
	API     int    // the APIVersion that it speaks
	Kind    Kind
	Caps    []Cap
}

// Has reports whether the backend has capability c.
func (i Info) Has(c Cap) bool {
	for _, have := range i.Caps {
		if have == c {
			return true
		}
	}
	return false
}

// Config is what a backend is given once.
type Config struct {
	// Settings is the backend's own table, [backend.NAME], as TOML gives it:
	// string, int64, float64, bool, []any, map[string]any, and times as
	// RFC 3339 strings. Decode fills a struct from it.
	Settings map[string]any
	// StateDir is a folder that is the backend's alone and survives restarts, an
	// absolute path. It exists, with mode 0700, and belongs to the user that the
	// backend runs as.
	StateDir string
	// Root is the folder of another system than the running one, for image
	// builds: files below it are written, nothing live is looked at or
	// changed. Empty is this host.
	Root string
	// Force lets Apply replace a file of ours that was edited by hand; the
	// edited file is saved in StateDir. It never allows to touch a foreign file.
	Force bool
}

// Detection is a backend's opinion on whether it fits this host.
type Detection struct {
	// Score: 0 does not fit; 10 works as a fallback; 50 its files are there;
	// 95 it runs and owns the uplink. The highest score wins; a tie is refused.
	Score   int
	Why     string   // one line for people
	Signals []Signal // what was looked at
}

// Signal is one fact that Detect looked at.
type Signal struct {
	Name  string
	Value string
}

// Change is a hint from Watch that something moved. Core observes again.
type Change struct {
	Object string // a peer's, VIP's or link's name; may be empty
	Why    string // one line for people
	// Lost means that what Apply set up is gone, as when a driven daemon restarted.
	Lost bool
}

// VIP is one address that the host shall hold.
type VIP struct {
	Name string
	// Addr is put on the link as a host address: /32 or /128 (a shorter
	// prefix would make the rest of it a connected route).
	Addr netip.Addr
	Link string // kernel name of the link, "lo" unless the config says otherwise
}

// Prefix is the address as it stands on the link.
func (v VIP) Prefix() netip.Prefix { return netip.PrefixFrom(v.Addr, v.Addr.BitLen()) }

// VIPState is what a network backend knows of one VIP.
type VIPState struct {
	VIP
	OnHost  bool   // on that link now
	Adopted bool   // was there before us; never removed by us
	Drift   string // how host or file differ from what was applied; empty when they do not
}

// Community is a standard community (RFC 1997), written ASN:VALUE.
type Community uint32

// GracefulShutdown asks the peers to prefer any other path (RFC 8326).
const GracefulShutdown Community = 0xffff0000

// LargeCommunity is a large community (RFC 8092), written GLOBAL:LOCAL1:LOCAL2.
type LargeCommunity struct{ Global, Local1, Local2 uint32 }

// Announcement is a prefix with its attributes, policy already decided.
type Announcement struct {
	VIP    string // the name of the VIP it is announced for
	Prefix netip.Prefix
	// NextHop; the zero Addr means the session's own address (RFC 4271 §5.1.3).
	NextHop          netip.Addr
	Communities      []Community
	LargeCommunities []LargeCommunity
	MED              *uint32  // MULTI_EXIT_DISC (RFC 4271 §5.1.4); nil sends none
	LocalPref        *uint32  // LOCAL_PREF (RFC 4271 §5.1.5), to iBGP peers; nil leaves the speaker's default
	Prepend          int      // how many extra times the own ASN stands in AS_PATH
	Peers            []string // names of the peers that are told; empty means all
}

// Peer is one BGP neighbour that we dial.
type Peer struct {
	Name      string
	Addr      netip.Addr
	ASN       uint32
	LocalAddr netip.Addr // source of the session; zero lets the kernel choose
	// Hold is the Hold Time offered (RFC 4271 §4.2), whole seconds, 0 or at least 3 s.
	Hold         time.Duration
	Keepalive    time.Duration
	ConnectRetry time.Duration
	// TTL of sent packets: 0 means 1 for an eBGP peer; above 1 is multihop.
	TTL int
	// TTLSecurity is GTSM (RFC 5082): packets go out with TTL 255, and arrive
	// over at most this many hops. 0 is off. It excludes TTL.
	TTLSecurity int
	Password    string // TCP-MD5 key (RFC 2385), at most 80 bytes; never logged
	AO          TCPAO  // without a key it is off; it excludes Password
	BFD         *BFD   // nil is off
	// GracefulRestart is the Restart Time offered (RFC 4724 §3), whole
	// seconds; 0 does not offer the capability.
	GracefulRestart time.Duration
}

// TCPAO signs a session's segments by a Master Key Tuple (RFC 5925 §3.1). A
// kernel without TCP-AO can't, and the backend refuses the peer.
type TCPAO struct {
	Key       string // at most 80 bytes; empty: off. Never logged
	SendID    uint8  // the peer's RecvID
	RecvID    uint8
	Algorithm AOAlgorithm // empty: AOHMACSHA1
}

// AOAlgorithm is how keys are derived and segments signed (RFC 5926 §3.2).
type AOAlgorithm string

// The algorithms that each implementation has (RFC 5926 §2).
const (
	AOHMACSHA1 AOAlgorithm = "hmac-sha-1-96"
	AOAESCMAC  AOAlgorithm = "aes-128-cmac-96"
)

// BFD are the timers of one BFD session (RFC 5880 §6.8.3).
type BFD struct {
	TX         time.Duration // Desired Min TX Interval
	RX         time.Duration // Required Min RX Interval
	Multiplier int           // Detect Mult
	// Password signs the packets with keyed SHA1 (RFC 5880 §6.7.4), at most 20
	// bytes; empty: they are not signed. Never logged.
	Password string
	KeyID    int // 0 to 255
	// Meticulous: each sequence number is good for one packet only.
	Meticulous bool
}

// Speaker is everything that a BGP backend shall hold. The zero Speaker holds nothing.
type Speaker struct {
	ASN           uint32
	RouterID      netip.Addr // BGP Identifier, written as an IPv4 address (RFC 6286)
	Peers         []Peer
	Announcements []Announcement
}

// SessionState is a state of RFC 4271 §8.2.2, in lower case.
type SessionState string

// The states of a session.
const (
	StateIdle        SessionState = "idle"
	StateConnect     SessionState = "connect"
	StateActive      SessionState = "active"
	StateOpenSent    SessionState = "opensent"
	StateOpenConfirm SessionState = "openconfirm"
	StateEstablished SessionState = "established"
)

// PeerState is the session with one peer.
type PeerState struct {
	Name  string
	State SessionState
	Since time.Time // when State was entered
	// Announced are the prefixes that this peer was told and not told otherwise
	// since; empty unless State is established.
	Announced []netip.Prefix
	LastError string    // why the last session ended or none comes up, for people
	ErrorAt   time.Time // when LastError happened
	// Received counts the routes that the peer sends us; all are dropped.
	Received int
	// GracefulRestart: both ends of the established session offered it, so the
	// peer keeps our routes for Peer.GracefulRestart when the connection ends.
	GracefulRestart bool
	// BFD is how the peer's BFD session is; nil if there is none, or it is not
	// known.
	BFD *BFDState
}

// BFDState is one BFD session.
type BFDState struct {
	State string    // "admin-down", "down", "init" or "up" (RFC 5880 §4.1)
	Since time.Time // when State was entered
	// DetectTime is how long the peer may be silent (RFC 5880 §6.8.4).
	DetectTime time.Duration
	// Late is by how much this host was late for a timer, at most, within the
	// last minutes. One that comes near DetectTime makes sessions flap.
	Late time.Duration
	Why  string // why it is not up, for people
}

// SpeakerState is what a BGP backend sees.
type SpeakerState struct {
	Peers []PeerState // one for each Peer of the last Apply
}

// Plan is what an Apply would do.
type Plan struct{ Steps []Step }

// Step is one change of a Plan.
type Step struct {
	Verb   string // "add", "change", "remove", "restart"
	Object string // for people: "address 203.0.113.10/32 on lo", "peer rs1", a file's path
	Diff   string // a unified diff where the object is a file, else a line or nothing; no secrets
}
