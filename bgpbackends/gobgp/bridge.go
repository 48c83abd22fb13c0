package gobgp

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/pprof"
	"strings"
	"sync"

	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/stentor-net/stentor/plugins"
)

// The lines of GoBGP v3.37.0 that carry what its API lacks: why a session
// ended, why a connection failed, and each UPDATE as it went out. The tests
// hold them against a live speaker.
const (
	lineState    = "state changed"            // server.go handleFSMMessage, in the order of the sessions' lives
	lineSent     = "sent update"              // fsm.go sendMessageloop, after the octets were written
	lineReceived = "received notification"    // fsm.go recvMessageWithError
	lineNotified = "sent notification"        // fsm.go sendMessageloop and sendNotificationFromErrorMsg
	linePolicy   = "call set policy"          // server.go SetPolicies, for each peer, before it sets them
	lineAdded    = "Add a peer configuration" // server.go addNeighbor, before it starts the session's goroutines
	lineDial     = "failed to connect"        // fsm.go connectLoop
)

// transition is one step of a session's state machine.
type transition struct {
	addr     netip.Addr
	from, to plugins.SessionState
	why      string // of a session that ended
}

// bridge is GoBGP's logger. It passes the lines that matter to slog, and turns
// some into facts for the ledger. GoBGP calls it with locks of its own held,
// so it never calls back.
type bridge struct {
	log    *slog.Logger
	ledger *ledger
	moved  func(transition)
	told   func(plugins.Change) // what a peer was told changed by itself

	mu    sync.Mutex
	fault error // the last Fatal or Panic that no peer could be blamed for
}

var _ log.Logger = (*bridge)(nil)

// GetLevel asks for debug lines: dial errors and sent UPDATEs are told there only.
func (b *bridge) GetLevel() log.LogLevel { return log.DebugLevel }

// SetLevel does nothing; slog's handler decides what is shown.
func (b *bridge) SetLevel(log.LogLevel) {}

// Panic is what GoBGP calls on a bug of its own. It is told and remembered,
// and does not end the process.
func (b *bridge) Panic(msg string, f log.Fields) { b.broken(msg, f) }

// Fatal is treated like Panic.
func (b *bridge) Fatal(msg string, f log.Fields) { b.broken(msg, f) }

// Error passes a line on.
func (b *bridge) Error(msg string, f log.Fields) { b.print(slog.LevelError, msg, f) }

// Info passes a line on, at debug level: what of it matters to people is told
// by this package itself. It learns when the policies change.
func (b *bridge) Info(msg string, f log.Fields) {
	if addr, ok := key(f); ok {
		switch msg {
		case linePolicy:
			b.ledger.policySet(addr)
		case lineAdded:
			label(addr)
		}
	}
	b.print(slog.LevelDebug, msg, f)
}

// Warn is treated like Info. It learns what a NOTIFICATION said.
func (b *bridge) Warn(msg string, f log.Fields) {
	addr, ok := key(f)
	switch {
	case ok && msg == lineReceived:
		b.ledger.blame(addr, "the peer sent "+notification(f))
	case ok && msg == lineNotified:
		b.ledger.blame(addr, "we sent "+notification(f))
	}
	b.print(slog.LevelDebug, msg, f)
}

// Debug learns state changes, dial errors and sent UPDATEs.
func (b *bridge) Debug(msg string, f log.Fields) {
	addr, ok := key(f)
	if !ok {
		return
	}
	switch msg {
	case lineState:
		label(addr)
		t := transition{addr: addr, from: state(f["old"]), to: state(f["new"])}
		t.why = b.ledger.moved(t, reasonWords(t.from, fmt.Sprint(f["reason"])))
		b.moved(t)
	case lineSent:
		announced, withdrawn := told(f)
		if b.ledger.sent(addr, announced, withdrawn) {
			b.told(plugins.Change{Why: "a peer was sent routes"})
		}
	case lineDial:
		if err, ok := f["Error"].(error); ok {
			b.ledger.dialFailed(addr, err)
		}
	}
}

func (b *bridge) broken(msg string, f log.Fields) {
	b.print(slog.LevelError, msg, f)
	text := "GoBGP met a bug of its own: " + msg
	if err, ok := f["Error"].(error); ok {
		text += ": " + err.Error()
	}
	if addr, ok := key(f); ok {
		b.ledger.fail(addr, text)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = fmt.Errorf("%s: %w", text, plugins.ErrUnavailable)
}

// takeFault gives the remembered fault once.
func (b *bridge) takeFault() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.fault
	b.fault = nil
	return err
}

// print writes one line with the fields that are safe and short. Others carry
// whole messages, and one day maybe a configuration with a password.
func (b *bridge) print(level slog.Level, msg string, f log.Fields) {
	if !b.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{slog.String("component", "gobgp")}
	for _, name := range []string{"Key", "State", "Reason", "Code", "Subcode", "Communicated-Reason", "Error", "error", "Err"} {
		if v, ok := f[name]; ok {
			attrs = append(attrs, slog.String(strings.ToLower(name), fmt.Sprint(v)))
		}
	}
	b.log.LogAttrs(context.Background(), level, msg, attrs...)
}

// key is the peer that a line is about.
func key(f log.Fields) (netip.Addr, bool) {
	s, _ := f["Key"].(string)
	addr, err := netip.ParseAddr(s)
	return addr, err == nil
}

// label marks the calling goroutine, and those that it starts from now on, with
// a peer: GoBGP starts a session's goroutines right after the two lines that
// lead here. If one of them panics, the trace names the peer, which nothing
// else in it does.
func label(addr netip.Addr) {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("peer", addr.String())))
}

// state reads "BGP_FSM_ESTABLISHED".
func state(v any) plugins.SessionState {
	return plugins.SessionState(strings.ToLower(strings.TrimPrefix(fmt.Sprint(v), "BGP_FSM_")))
}

// notification reads code, subcode and shutdown communication (RFC 9003) of a
// NOTIFICATION's line.
func notification(f log.Fields) string {
	if e, ok := f["Data"].(*bgp.MessageError); ok {
		words := notificationWords(e.TypeCode, e.SubTypeCode)
		if e.Message != "" {
			words += ": " + e.Message
		}
		return words
	}
	code, _ := f["Code"].(uint8)
	subcode, _ := f["Subcode"].(uint8)
	words := notificationWords(code, subcode)
	if text, _ := f["Communicated-Reason"].(string); text != "" {
		words += fmt.Sprintf(" saying %q", text)
	}
	return words
}

// told reads the prefixes of a sent UPDATE.
func told(f log.Fields) (announced, withdrawn []netip.Prefix) {
	if nlri, ok := f["nlri"].([]*bgp.IPAddrPrefix); ok {
		for _, p := range nlri {
			announced = append(announced, prefix(p))
		}
	}
	if nlri, ok := f["withdrawals"].([]*bgp.IPAddrPrefix); ok {
		for _, p := range nlri {
			withdrawn = append(withdrawn, prefix(p))
		}
	}
	attrs, _ := f["attributes"].([]bgp.PathAttributeInterface)
	for _, a := range attrs {
		switch a := a.(type) {
		case *bgp.PathAttributeMpReachNLRI:
			for _, p := range a.Value {
				announced = append(announced, prefix(p))
			}
		case *bgp.PathAttributeMpUnreachNLRI:
			for _, p := range a.Value {
				withdrawn = append(withdrawn, prefix(p))
			}
		}
	}
	return announced, withdrawn
}

// prefix reads the NLRI of the two families that this backend speaks.
func prefix(nlri bgp.AddrPrefixInterface) netip.Prefix {
	var p *bgp.IPAddrPrefixDefault
	v6 := false
	switch n := nlri.(type) {
	case *bgp.IPAddrPrefix:
		p = &n.IPAddrPrefixDefault
	case *bgp.IPv6AddrPrefix:
		p, v6 = &n.IPAddrPrefixDefault, true
	default:
		return netip.Prefix{}
	}
	addr, _ := netip.AddrFromSlice(p.Prefix)
	if !v6 {
		addr = addr.Unmap()
	}
	return netip.PrefixFrom(addr, int(p.Length))
}
