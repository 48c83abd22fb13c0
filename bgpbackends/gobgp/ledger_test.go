package gobgp

import (
	"context"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

var (
	ledgerPeer = netip.MustParseAddr(rs1)
	prefixA    = netip.MustParsePrefix(vipA)
	prefixB    = netip.MustParsePrefix(vipB)
)

func to(s plugins.SessionState) transition { return transition{addr: ledgerPeer, to: s} }

// upLedger has one established session.
func upLedger() *ledger {
	l := newLedger(time.Now)
	l.open(ledgerPeer)
	l.moved(to(plugins.StateEstablished), "")
	return l
}

func TestLedgerAnnounced(t *testing.T) {
	l := upLedger()
	told := func(want ...netip.Prefix) {
		t.Helper()
		if got := l.read(ledgerPeer).Announced; !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	}
	l.sent(ledgerPeer, []netip.Prefix{prefixB, prefixA}, nil)
	told(prefixA, prefixB)
	l.sent(ledgerPeer, nil, []netip.Prefix{prefixA})
	told(prefixB)
	l.moved(to(plugins.StateIdle), "read-failed")
	told()
	l.sent(ledgerPeer, []netip.Prefix{prefixA}, nil) // a late line of the session that ended
	l.moved(to(plugins.StateEstablished), "")
	told()
	l.sent(netip.MustParseAddr(rs2), []netip.Prefix{prefixA}, nil) // unknown peers are ignored
	l.idle(ledgerPeer)
	if s := l.read(ledgerPeer); s.State != plugins.StateIdle || s.LastError != "read-failed" {
		t.Errorf("taken out: %+v", s)
	}
}

func TestLedgerWaits(t *testing.T) {
	for _, c := range []struct {
		name  string
		owe   func(*ledger)
		pay   func(*ledger)
		waits bool // until pay
	}{
		{"nothing owed", func(*ledger) {}, nil, false},
		{"an announcement", func(l *ledger) { l.owe(ledgerPeer, prefixA, true) },
			func(l *ledger) { l.sent(ledgerPeer, []netip.Prefix{prefixA}, nil) }, true},
		{"owed twice", func(l *ledger) { l.owe(ledgerPeer, prefixA, true); l.owe(ledgerPeer, prefixA, true) },
			func(l *ledger) { l.sent(ledgerPeer, []netip.Prefix{prefixA}, nil) }, true},
		{"another prefix does not pay", func(l *ledger) { l.owe(ledgerPeer, prefixA, true); l.sent(ledgerPeer, []netip.Prefix{prefixB}, nil) },
			func(l *ledger) { l.sent(ledgerPeer, nil, []netip.Prefix{prefixA}) }, true},
		{"a withdrawal of what was told", func(l *ledger) {
			l.sent(ledgerPeer, []netip.Prefix{prefixA}, nil)
			l.owe(ledgerPeer, prefixA, false)
		}, func(l *ledger) { l.sent(ledgerPeer, nil, []netip.Prefix{prefixA}) }, true},
		{"never told and not to be told", func(l *ledger) { l.owe(ledgerPeer, prefixA, false) }, nil, false},
		{"session lost", func(l *ledger) { l.owe(ledgerPeer, prefixA, true) },
			func(l *ledger) { l.moved(to(plugins.StateIdle), "") }, true},
		{"peer removed", func(l *ledger) { l.owe(ledgerPeer, prefixA, true) }, func(l *ledger) { l.drop(ledgerPeer) }, true},
		{"refused by GoBGP", func(l *ledger) { l.owe(ledgerPeer, prefixA, true) }, func(l *ledger) { l.forgive(prefixA) }, true},
		{"session not up", func(l *ledger) { l.moved(to(plugins.StateIdle), ""); l.owe(ledgerPeer, prefixA, true) }, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := upLedger()
				c.owe(l)
				done := make(chan struct{})
				go func() {
					l.wait(t.Context())
					close(done)
				}()
				synctest.Wait()
				select {
				case <-done:
					if c.waits {
						t.Error("did not wait")
					}
				default:
					if !c.waits {
						t.Error("waits for nothing")
					}
				}
				if c.pay != nil {
					c.pay(l)
				}
				<-done // else synctest reports a deadlock
			})
		})
	}
}

func TestLedgerWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := upLedger()
		l.owe(ledgerPeer, prefixA, true)
		ctx, cancel := context.WithTimeout(t.Context(), settleTime)
		defer cancel()
		begin := time.Now()
		l.wait(ctx)
		if d := time.Since(begin); d != settleTime {
			t.Errorf("waited %s", d)
		}
	})
}

func TestLedgerErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(time.Now)
		l.open(ledgerPeer)
		says := func(want string, at time.Time) {
			t.Helper()
			s := l.read(ledgerPeer)
			if s.LastError != want || !s.ErrorAt.Equal(at) {
				t.Errorf("LastError %q at %s, want %q at %s", s.LastError, s.ErrorAt, want, at)
			}
		}
		const silent = "no answer in 15 s (check password, TTL, reachability)"
		refused := &dialError{syscall.ECONNREFUSED}
		timeout := &dialError{syscall.ETIMEDOUT}

		says("", time.Time{})
		l.moved(to(plugins.StateActive), "")
		active := time.Now()
		<-time.After(14 * time.Second)
		says("", time.Time{})
		<-time.After(time.Second)
		says(silent, active.Add(stuckAfter))
		l.dialFailed(ledgerPeer, refused)
		answered := time.Now()
		words, _ := dialWords(refused)
		says(words, answered)
		<-time.After(time.Minute)
		says(words, answered)
		l.dialFailed(ledgerPeer, timeout)
		quiet := time.Now()
		<-time.After(14 * time.Second)
		says(words, answered)
		<-time.After(time.Second)
		says(silent, quiet.Add(stuckAfter))

		l.moved(to(plugins.StateOpenSent), "")
		sent := time.Now()
		says(words, answered)
		<-time.After(stuckAfter)
		says("connected, but no OPEN from the peer in 15 s", sent.Add(stuckAfter))
		l.moved(to(plugins.StateEstablished), "")
		says("", time.Time{})

		l.blame(ledgerPeer, "the peer sent Cease")
		if why := l.moved(to(plugins.StateIdle), "less exact"); why != "the peer sent Cease" {
			t.Errorf("why is %q", why)
		}
		lost := time.Now()
		says("the peer sent Cease", lost)
		<-time.After(time.Second)
		l.moved(to(plugins.StateEstablished), "")
		says("the peer sent Cease", lost)
		if s := l.read(ledgerPeer); !s.Since.Equal(lost.Add(time.Second)) {
			t.Errorf("Since %s", s.Since)
		}
		l.moved(to(plugins.StateIdle), "read-failed")
		says("read-failed", time.Now())
	})
}

// dialError looks like what net.Dialer returns.
type dialError struct{ errno syscall.Errno }

func (e *dialError) Error() string   { return "dial: " + e.errno.Error() }
func (e *dialError) Unwrap() error   { return e.errno }
func (e *dialError) Timeout() bool   { return e.errno.Timeout() }
func (e *dialError) Temporary() bool { return false }
