package bgppeer

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

// client is the far side of a Peer.
type client struct {
	*testing.T
	session
}

// hold is so long that no second KEEPALIVE comes while a test lasts.
const hold = 90 * time.Second

func startPeer(t *testing.T, cfg Config) *Peer {
	t.Helper()
	cfg.Listen, cfg.ASN, cfg.Hold = netip.MustParseAddrPort("127.0.0.1:0"), 65000, hold
	p, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func dial(t *testing.T, p *Peer) *client {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	return &client{T: t, session: session{conn: conn.(*net.TCPConn)}}
}

// expect reads one message of a kind.
func (c *client) expect(kind uint8) []byte {
	c.Helper()
	got, body, err := c.read()
	if err != nil || got != kind {
		c.Fatalf("read type %d, %v, want type %d", got, err, kind)
	}
	return body
}

// establish goes through the handshake.
func (c *client) establish() {
	c.Helper()
	c.expect(typeOpen)
	c.write(open(Config{ASN: 65001, Hold: hold}.filled()))
	c.expect(typeKeepalive)
	c.write(Keepalive())
}

func wait(t *testing.T, p *Peer, kind Kind) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e, err := p.Wait(ctx, func(e Event) bool { return e.Kind == kind })
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSession(t *testing.T) {
	p := startPeer(t, Config{Routes: 3})
	c := dial(t, p)
	c.establish()
	if e := wait(t, p, OpenReceived); e.Open.ASN != 65001 || e.Session != 1 {
		t.Errorf("OPEN: %v", e)
	}
	wait(t, p, Established)
	if u, err := ParseUpdate(c.expect(typeUpdate), true); err != nil || len(u.Announced) != 3 {
		t.Errorf("routes: %+v, %v", u, err)
	}
	prefix := netip.MustParsePrefix("198.51.100.9/32")
	c.write(update(commonAttributes(Config{ASN: 65001}), prefix))
	wait(t, p, UpdateReceived)
	if attrs, ok := p.Table()[prefix]; !ok || attrs.ASPath[0] != 65001 {
		t.Errorf("table: %v", p.Table())
	}
	p.Send(Cease(2, "later"))
	if n, err := ParseNotification(c.expect(typeNotification)); err != nil || n.Code != 6 || n.Subcode != 2 || string(n.Data[1:]) != "later" {
		t.Errorf("NOTIFICATION: %+v, %v", n, err)
	}
	c.write(Error(4, 0))
	if e := wait(t, p, NotificationReceived); e.Notification.Code != 4 {
		t.Errorf("NOTIFICATION: %v", e)
	}
	c.conn.Close()
	wait(t, p, Closed)
	if len(p.Table()) != 0 {
		t.Errorf("table after the session's end: %v", p.Table())
	}
	if s := p.Transcript(); !strings.Contains(s, "#1 established") {
		t.Errorf("transcript:\n%s", s)
	}
}

func TestStrict(t *testing.T) {
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"bad marker": {BadMarker(), "bad marker"},
		"too short":  {BadLength(18), "message length 18"},
		"too long":   {BadLength(4097), "message length 4097"},
		"type":       {message(9, nil), "message of type 9"},
		"ORIGIN":     {LongOrigin(Config{ASN: 65001}), "attribute 1"},
	} {
		p := startPeer(t, Config{})
		far := dial(t, p)
		far.establish()
		far.write(c.raw)
		if e := wait(t, p, Closed); e.Err == nil || !strings.Contains(e.Err.Error(), c.want) {
			t.Errorf("%s: closed with %v, want %q", name, e.Err, c.want)
		}
	}
}

func TestMisbehaviour(t *testing.T) {
	t.Run("mute", func(t *testing.T) {
		p := startPeer(t, Config{Mute: true})
		c := dial(t, p)
		wait(t, p, Accepted)
		p.Hangup(nil)
		if _, _, err := c.read(); !errors.Is(err, io.EOF) {
			t.Errorf("read %v, want the end without a word", err)
		}
	})
	t.Run("cease at once", func(t *testing.T) {
		c := dial(t, startPeer(t, Config{CeaseAtOnce: true}))
		c.establish()
		if n, err := ParseNotification(c.expect(typeNotification)); err != nil || n.Code != 6 || n.Subcode != 4 {
			t.Errorf("%+v, %v", n, err)
		}
	})
	t.Run("raw OPEN", func(t *testing.T) {
		c := dial(t, startPeer(t, Config{RawOpen: BadLength(18)}))
		if _, _, err := c.read(); err == nil {
			t.Error("read an OPEN")
		}
	})
	t.Run("reset", func(t *testing.T) {
		p := startPeer(t, Config{})
		c := dial(t, p)
		c.establish()
		wait(t, p, Established)
		p.Reset()
		if _, _, err := c.read(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("read %v, want a reset", err)
		}
	})
}

func TestCloseEndsAll(t *testing.T) {
	p := startPeer(t, Config{})
	c := dial(t, p)
	c.establish()
	wait(t, p, Established)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	wait(t, p, Closed)
	if conn, err := net.Dial("tcp", p.Addr().String()); err == nil {
		conn.Close()
		t.Error("still listening")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Wait(ctx, func(Event) bool { return false }); err == nil || !strings.Contains(err.Error(), "#1 closed") {
		t.Errorf("Wait gave %v, want the history", err)
	}
}

func TestMinTTL(t *testing.T) {
	for name, ttl := range map[string]int{"IPv4": 200, "IPv6": 200} {
		t.Run(name, func(t *testing.T) {
			listen := "127.0.0.1:0"
			if name == "IPv6" {
				listen = "[::1]:0"
			}
			p, err := Start(Config{Listen: netip.MustParseAddrPort(listen), ASN: 65000, MinTTL: ttl})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { p.Close() })
			dialTTL := func(ttl int, limit time.Duration) error {
				d := net.Dialer{Timeout: limit, Control: func(_, _ string, rc syscall.RawConn) error {
					return setTTL(rc, Config{Listen: p.Addr(), TTL: ttl})
				}}
				d.SetMultipathTCP(false)
				conn, err := d.Dial("tcp", p.Addr().String())
				if err == nil {
					conn.Close()
				}
				return err
			}
			if err := dialTTL(ttl-1, 300*time.Millisecond); err == nil {
				t.Error("a packet with a lower TTL came through")
			}
			if err := dialTTL(ttl, 20*time.Second); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpenWithHold(t *testing.T) {
	o, err := ParseOpen(OpenWithHold(Config{ASN: 65000}, 1)[headerLen:])
	if err != nil || o.Hold != time.Second {
		t.Errorf("read %+v, %v", o, err)
	}
}
