package session

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/native/wire"
	"github.com/stentor-net/stentor/plugins"
)

// dialTo gives a session connections whose other end talk has.
func dialTo(dials *atomic.Int64, talk func(net.Conn)) func(context.Context, plugins.Peer, bool) (net.Conn, error) {
	return func(context.Context, plugins.Peer, bool) (net.Conn, error) {
		dials.Add(1)
		here, there := net.Pipe()
		go talk(there)
		return here, nil
	}
}

func config(name string) Config {
	return Config{
		Peer: plugins.Peer{Name: name, Addr: netip.MustParseAddr("192.0.2.1"), ASN: 65000, Hold: 9 * time.Second, ConnectRetry: 2 * time.Second},
		ID:   netip.MustParseAddr("192.0.2.7"), LocalASN: 65001, Log: slog.New(slog.DiscardHandler), Changed: func(string) {}, Pace: &Pace{},
		Own: func(_ netip.Addr, f wire.Family) netip.Addr {
			if f == wire.IPv4 {
				return netip.MustParseAddr("192.0.2.7")
			}
			return netip.MustParseAddr("2001:db8::7")
		},
	}
}

func greeting() []byte {
	return wire.AppendKeepalive(wire.AppendOpen(nil, &wire.Open{
		ASN: 65000, Hold: 9 * time.Second, ID: netip.MustParseAddr("192.0.2.1"), Families: []wire.Family{wire.IPv4, wire.IPv6},
		FourOctetAS: true, RouteRefresh: true, EnhancedRefresh: true, ExtendedNextHop: true, ExtendedMessage: true,
	}))
}

// swallow reads what a session says until it hangs up.
func swallow(conn net.Conn) {
	b := make([]byte, 4096)
	for {
		if _, err := conn.Read(b); err != nil {
			conn.Close()
			return
		}
	}
}

// polite is a peer that does what it should.
func polite(conn net.Conn) {
	go swallow(conn)
	if _, err := conn.Write(greeting()); err != nil {
		return
	}
	for {
		time.Sleep(3 * time.Second)
		if _, err := conn.Write(wire.AppendKeepalive(nil)); err != nil {
			return
		}
	}
}

// noise is a message that a hostile peer sends: of any type, length and
// content, framed well or not, or one that is right.
func noise(r *rand.Rand) []byte {
	switch r.IntN(8) {
	case 0:
		return greeting()
	case 1:
		return wire.AppendKeepalive(nil)
	case 2:
		return wire.AppendNotification(nil, &wire.Notification{Code: wire.Code(r.IntN(256)), Subcode: uint8(r.IntN(256)), Data: bytesOf(r, r.IntN(300))})
	case 3:
		return bytesOf(r, r.IntN(5000))
	case 4: // right, but for one byte
		b := wire.AppendAnnounce(greeting(), wire.Session{Max: wire.MaxLen}, &wire.Attributes{NextHop: netip.MustParseAddr("::1")}, wire.IPv6, []netip.Prefix{v6})
		b[r.IntN(len(b))] = byte(r.IntN(256))
		return b
	}
	body := bytesOf(r, r.IntN(5000))
	b := make([]byte, 19, 19+len(body))
	for i := range 16 {
		b[i] = 0xff
	}
	binary.BigEndian.PutUint16(b[16:], uint16(19+len(body)))
	b[18] = byte(r.IntN(8)) // the six types and two that there are not
	return append(b, body...)
}

func bytesOf(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// hostile greets as it should, mostly, and then sends noise until it is hung
// up on, or hangs up itself.
func hostile(seed uint64, sent *atomic.Int64) func(net.Conn) {
	var connections atomic.Uint64
	return func(conn net.Conn) {
		r := rand.New(rand.NewPCG(seed, connections.Add(1)))
		go swallow(conn)
		defer conn.Close()
		if r.IntN(4) > 0 {
			if _, err := conn.Write(greeting()); err != nil {
				return
			}
		}
		for r.IntN(500) > 0 {
			sent.Add(1)
			if _, err := conn.Write(noise(r)); err != nil {
				return
			}
			time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
		}
	}
}

// TestHostilePeers: an hour with a peer that sends anything. It costs its own
// sessions, which are not begun in a storm, and no one else's.
func TestHostilePeers(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		var dials, sent, once atomic.Int64
		want := routes(primary, v4a, v6)
		good := start(config("good"), want, dialTo(&once, polite))
		var bad []*Session
		for i := range uint64(8) {
			bad = append(bad, start(config("bad"), want, dialTo(&dials, hostile(seed+i, &sent))))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if v := good.View(); v.State != plugins.StateEstablished || once.Load() != 1 || len(v.Announced) != 2 {
			t.Errorf("the other session: %+v after %d connections", v, once.Load())
		}
		for _, s := range bad {
			if v := s.View(); v.LastError == "" {
				t.Errorf("a hostile peer's session has no error: %+v", v)
			}
		}
		t.Logf("%d messages in %d sessions", sent.Load(), dials.Load())
		// At most one each 10 s, where the longest delay is 22 to 30 s.
		if n := dials.Load(); n < 8*60 || n > 8*360 {
			t.Errorf("%d connections in an hour to 8 peers", n)
		}
		for _, s := range append(bad, good) {
			s.Stop(t.Context(), &wire.Notification{Code: wire.Cease, Subcode: wire.AdminShutdown})
		}
		time.Sleep(time.Minute) // until the peers have noticed
	})
}

// TestMillionRoutes: what a peer sends is counted and forgotten.
func TestMillionRoutes(t *testing.T) {
	const total, inOne = 1_000_000, 1000
	var prefixes []netip.Prefix
	for i := range inOne {
		prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
	}
	messages := wire.AppendAnnounce(nil, wire.Session{FourOctetAS: true, Max: wire.MaxLen}, &wire.Attributes{NextHop: netip.MustParseAddr("192.0.2.1")}, wire.IPv4, prefixes)
	ready, flood := make(chan struct{}), make(chan struct{})
	var dials atomic.Int64
	s := start(config("loud"), nil, dialTo(&dials, func(conn net.Conn) {
		go swallow(conn)
		conn.Write(greeting())
		close(ready)
		<-flood
		for range total / inOne {
			if _, err := conn.Write(messages); err != nil {
				return
			}
		}
	}))
	<-ready
	until := func(what string, done func(View) bool) {
		for deadline := time.Now().Add(time.Minute); !done(s.View()); {
			if time.Now().After(deadline) {
				t.Fatalf("waiting for %s: %+v", what, s.View())
			}
			runtime.Gosched()
		}
	}
	until("the session", func(v View) bool { return v.State == plugins.StateEstablished })
	before := heap()
	close(flood)
	until("the routes", func(v View) bool { return v.Received == total })
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if v := s.View(); v.State != plugins.StateEstablished || dials.Load() != 1 {
		t.Errorf("%+v", v)
	}
	s.Abandon()
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
