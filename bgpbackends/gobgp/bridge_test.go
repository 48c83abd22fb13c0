package gobgp

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/stentor-net/stentor/plugins"
)

// bridged gives a bridge with one established session, and its log.
func bridged() (*bridge, *bytes.Buffer, *[]transition) {
	var out bytes.Buffer
	var moved []transition
	b := &bridge{
		log:    slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
		ledger: upLedger(),
		moved:  func(t transition) { moved = append(moved, t) },
		told:   func(plugins.Change) {},
	}
	return b, &out, &moved
}

func TestBridgeLines(t *testing.T) {
	b, _, moved := bridged()
	v4 := bgp.NewIPAddrPrefix(32, "198.51.100.9")
	v6 := bgp.NewIPv6AddrPrefix(64, "2001:db8:5a:1::")
	b.Debug(lineSent, log.Fields{"Key": rs1, "nlri": []*bgp.IPAddrPrefix{v4}, "attributes": []bgp.PathAttributeInterface{
		bgp.NewPathAttributeMpReachNLRI("fd00::7", []bgp.AddrPrefixInterface{v6}),
	}})
	if got := b.ledger.read(ledgerPeer).Announced; !slices.Equal(got, []netip.Prefix{prefixA, prefixB}) {
		t.Errorf("told %v", got)
	}
	b.Debug(lineSent, log.Fields{"Key": rs1, "withdrawals": []*bgp.IPAddrPrefix{v4}, "attributes": []bgp.PathAttributeInterface{
		bgp.NewPathAttributeMpUnreachNLRI([]bgp.AddrPrefixInterface{v6}),
	}})
	if got := b.ledger.read(ledgerPeer).Announced; len(got) != 0 {
		t.Errorf("told %v after the withdrawal", got)
	}
	b.Info(linePolicy, log.Fields{"Key": rs1})
	if s := b.ledger.policyWhile(ledgerPeer); s != plugins.StateEstablished {
		t.Errorf("policy set while %s", s)
	}

	b.Warn(lineReceived, log.Fields{"Key": rs1, "Code": uint8(6), "Subcode": uint8(2), "Communicated-Reason": "bye"})
	b.Debug(lineState, log.Fields{"Key": rs1, "old": "BGP_FSM_ESTABLISHED", "new": "BGP_FSM_IDLE", "reason": "notification-received"})
	want := transition{ledgerPeer, plugins.StateEstablished, plugins.StateIdle, `the peer sent Cease: Administrative Shutdown (6/2) saying "bye"`}
	if len(*moved) != 1 || (*moved)[0] != want {
		t.Errorf("moved %+v, want %+v", *moved, want)
	}
	b.Warn(lineNotified, log.Fields{"Key": rs1, "Data": &bgp.MessageError{TypeCode: 2, SubTypeCode: 2, Message: "as number mismatch"}})
	b.Debug(lineState, log.Fields{"Key": rs1, "old": "BGP_FSM_OPENSENT", "new": "BGP_FSM_IDLE", "reason": "invalid-msg"})
	if got := b.ledger.read(ledgerPeer).LastError; !strings.HasPrefix(got, "we sent OPEN Message Error: Bad Peer AS") || !strings.HasSuffix(got, "as number mismatch") {
		t.Errorf("LastError %q", got)
	}
	b.Debug(lineDial, log.Fields{"Key": rs1, "Error": error(syscall.ECONNREFUSED)})
	if got := b.ledger.read(ledgerPeer).LastError; !strings.HasPrefix(got, "connection refused") {
		t.Errorf("LastError %q", got)
	}
	// Lines of no peer, or of another shape, are no trouble.
	for _, f := range []log.Fields{nil, {"Key": "x"}, {"Key": 3}, {"Key": rs1}} {
		for _, line := range []string{lineState, lineSent, lineDial} {
			b.Debug(line, f)
		}
		b.Warn(lineReceived, f)
		b.Info(linePolicy, f)
	}
}

func TestBridgeSurvivesPanicAndFatal(t *testing.T) {
	b, out, _ := bridged()
	b.Fatal("failed to create routing policy", log.Fields{"Error": errors.New("odd set")})
	err := b.takeFault()
	if !errors.Is(err, plugins.ErrUnavailable) || !strings.Contains(err.Error(), "odd set") {
		t.Errorf("fault %v", err)
	}
	if err := b.takeFault(); err != nil {
		t.Errorf("the fault came twice: %v", err)
	}
	b.Panic("unknown msg type", log.Fields{"Key": rs1})
	if err := b.takeFault(); err != nil {
		t.Errorf("a peer's fault was told of all: %v", err)
	}
	if s := b.ledger.read(ledgerPeer); !strings.Contains(s.LastError, "unknown msg type") {
		t.Errorf("LastError %q", s.LastError)
	}
	if n := strings.Count(out.String(), "level=ERROR"); n != 2 {
		t.Errorf("%d error lines:\n%s", n, out)
	}
}

func TestBridgeTellsNoSecrets(t *testing.T) {
	b, out, _ := bridged()
	b.Warn("neighbor changed", log.Fields{"Key": rs1, "Data": "AuthPassword:s3cret", "Config": "s3cret", "Error": "short"})
	if s := out.String(); strings.Contains(s, "s3cret") || !strings.Contains(s, "short") || !strings.Contains(s, rs1) {
		t.Errorf("logged: %s", s)
	}
}

func TestNeighbour(t *testing.T) {
	p := peer("rs1", rs1)
	p.TTL, p.TTLSecurity, p.GracefulRestart = 0, 2, 5*time.Second
	n := neighbour(p)
	if s := n.GetTtlSecurity(); !s.GetEnabled() || s.GetTtlMin() != 254 {
		t.Errorf("2 hops: %v", s)
	}
	if n.GetEbgpMultihop().GetEnabled() {
		t.Error("multihop without a TTL")
	}
	if g := n.GetGracefulRestart(); !g.GetEnabled() || g.GetRestartTime() != 5 || g.GetNotificationEnabled() {
		t.Errorf("graceful restart: %v", g)
	}
	if n := neighbour(peer("rs1", rs1)); n.GetGracefulRestart() != nil || n.GetEbgpMultihop().GetMultihopTtl() != 16 {
		t.Errorf("plain peer: %v", n)
	}
	for d, want := range map[time.Duration]uint64{0: 1, time.Second: 1, 2 * time.Second: 1, 5 * time.Second: 2, 2 * time.Minute: 60} {
		if got := retrySeconds(d); got != want {
			t.Errorf("connect retry %s: %d s, want %d", d, got, want)
		}
	}
}
