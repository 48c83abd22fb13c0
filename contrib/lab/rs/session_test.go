package rs

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/stentor-net/stentor/plugins"
)

// far is the neighbor's end of a session under test.
type far struct {
	t    *testing.T
	conn net.Conn
	// What the session told: its end, that it came up, and its updates.
	ended   chan error
	up      chan struct{}
	updates chan update
	heard   chan *bgp.BGPMessage // KEEPALIVEs left out after the first
}

// newFar starts a session of AS 65000 with a neighbor of AS 65001, in a bubble.
func newFar(t *testing.T, hold time.Duration) *far {
	near, conn := net.Pipe()
	f := &far{t: t, conn: conn, ended: make(chan error, 1), up: make(chan struct{}, 1), updates: make(chan update, 10), heard: make(chan *bgp.BGPMessage, 100)}
	s := &session{conn: near, asn: 65000, id: netip.MustParseAddr("192.0.2.1"), hold: hold, neighbor: Neighbor{Addr: hostA, ASN: 65001}}
	go func() {
		err := s.run(func() { f.up <- struct{}{} }, func(u update) { f.updates <- u })
		near.Close()
		f.ended <- err
	}()
	go f.read()
	return f
}

func (f *far) read() {
	defer close(f.heard)
	for {
		head := make([]byte, bgp.BGP_HEADER_LENGTH)
		if _, err := io.ReadFull(f.conn, head); err != nil {
			return
		}
		body := make([]byte, int(binary.BigEndian.Uint16(head[16:18]))-len(head))
		if _, err := io.ReadFull(f.conn, body); err != nil {
			return
		}
		m, err := bgp.ParseBGPMessage(append(head, body...))
		if err != nil {
			f.t.Errorf("the session sends what does not parse: %v", err)
			return
		}
		f.heard <- m
	}
}

func (f *far) send(m *bgp.BGPMessage) {
	f.t.Helper()
	b, err := m.Serialize()
	if err != nil {
		f.t.Fatal(err)
	}
	f.raw(b)
}

func (f *far) raw(b []byte) {
	f.t.Helper()
	if _, err := f.conn.Write(b); err != nil {
		f.t.Fatal(err)
	}
}

func (f *far) open(asn uint32, hold time.Duration) *bgp.BGPMessage {
	return openMessage(asn, netip.MustParseAddr("10.0.0.1"), hold)
}

// establish brings the session up, with the given Hold Time from this side.
func (f *far) establish(hold time.Duration) {
	f.t.Helper()
	f.send(f.open(65001, hold))
	f.send(bgp.NewBGPKeepAliveMessage())
	<-f.up
}

// notified is the NOTIFICATION that the session sent, after anything else.
func (f *far) notified() (code, subcode uint8) {
	for m := range f.heard {
		if n, ok := m.Body.(*bgp.BGPNotification); ok {
			return n.ErrorCode, n.ErrorSubcode
		}
	}
	return 0, 0
}

func TestHoldTimer(t *testing.T) {
	for _, tt := range []struct {
		name              string
		ours, theirs, end time.Duration
	}{
		{"ours is lower", 9 * time.Second, 90 * time.Second, 9 * time.Second},
		{"theirs is lower", 9 * time.Second, 3 * time.Second, 3 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, tt.ours)
				f.establish(tt.theirs)
				start := time.Now()
				if err := <-f.ended; err.Error() != "hold timer expired" {
					t.Errorf("ended with %v", err)
				}
				if took := time.Since(start); took != tt.end {
					t.Errorf("ended after %s of silence, want %s", took, tt.end)
				}
				if code, subcode := f.notified(); code != 4 || subcode != 0 {
					t.Errorf("NOTIFICATION %d/%d, want 4/0", code, subcode)
				}
			})
		})
	}
}

func TestNoHoldTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, 9*time.Second)
		f.establish(0)
		select {
		case err := <-f.ended:
			t.Errorf("ended with %v", err)
		case <-time.After(24 * time.Hour):
		}
		f.conn.Close()
		<-f.ended
	})
}

func TestKeepalives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, 9*time.Second)
		f.establish(9 * time.Second)
		start := time.Now()
		go func() {
			for range 10 {
				<-time.After(4 * time.Second)
				f.send(bgp.NewBGPKeepAliveMessage())
			}
			f.conn.Close()
		}()
		if err := <-f.ended; !strings.Contains(err.Error(), "without a NOTIFICATION") {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(start); took != 40*time.Second {
			t.Errorf("ended after %s, want it up for the 40 s of keepalives", took)
		}
		var got int
		for m := range f.heard {
			if m.Header.Type == bgp.BGP_MSG_KEEPALIVE {
				got++
			}
		}
		// One confirms the OPEN, and one follows every 3 s.
		if want := 1 + 13; got != want {
			t.Errorf("%d KEEPALIVEs in 40 s, want %d", got, want)
		}
	})
}

func TestRefusals(t *testing.T) {
	bad := func(change func([]byte)) func(*far) {
		return func(f *far) {
			b, err := bgp.NewBGPKeepAliveMessage().Serialize()
			if err != nil {
				f.t.Fatal(err)
			}
			change(b)
			f.establish(9 * time.Second)
			f.raw(b)
		}
	}
	for _, tt := range []struct {
		name          string
		do            func(*far)
		code, subcode uint8
	}{
		{"wrong AS", func(f *far) { f.send(f.open(65002, 9*time.Second)) }, 2, 2},
		{"hold time of 1 s", func(f *far) { f.send(f.open(65001, time.Second)) }, 2, 6},
		{"KEEPALIVE for OPEN", func(f *far) { f.send(bgp.NewBGPKeepAliveMessage()) }, 5, 0},
		{"OPEN twice", func(f *far) { f.send(f.open(65001, 9*time.Second)); f.send(f.open(65001, 9*time.Second)) }, 5, 0},
		{"bad marker", bad(func(b []byte) { b[3] = 0 }), 1, 1},
		{"length 18", bad(func(b []byte) { b[17] = 18 }), 1, 2},
		{"length 4097", bad(func(b []byte) { b[16], b[17] = 0x10, 0x01 }), 1, 2},
		{"unknown type", bad(func(b []byte) { b[18] = 9 }), 1, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, 9*time.Second)
				tt.do(f)
				if code, subcode := f.notified(); code != tt.code || subcode != tt.subcode {
					t.Errorf("NOTIFICATION %d/%d, want %d/%d", code, subcode, tt.code, tt.subcode)
				}
				if err := <-f.ended; err == nil {
					t.Error("session ended without a reason")
				}
			})
		})
	}
}

func TestUpdates(t *testing.T) {
	origin, path := bgp.NewPathAttributeOrigin(2), bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint32{65001, 65001})})
	v4 := bgp.NewIPAddrPrefix(32, "198.18.0.1")
	v6 := bgp.NewIPv6AddrPrefix(64, "2001:db8:5a:1::")
	want := Route{
		Prefix: vip, NextHop: hostA, ASPath: []uint32{65001, 65001}, Origin: 2, MED: 7, LocalPref: 100,
		Communities:      []plugins.Community{65000<<16 | 1, plugins.GracefulShutdown},
		LargeCommunities: []plugins.LargeCommunity{{Global: 1, Local1: 2, Local2: 3}},
	}
	want6 := Route{Prefix: netip.MustParsePrefix("2001:db8:5a:1::/64"), NextHop: hostA, ASPath: []uint32{65001, 65001}, Origin: 2, LocalPref: 100}
	want4 := want6
	want4.Prefix, want4.NextHop = vip, netip.MustParseAddr("192.0.2.9")
	for _, tt := range []struct {
		name string
		send *bgp.BGPMessage
		want update
	}{
		{"IPv4 by an IPv6 next hop, with all attributes", bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{
			origin, path, bgp.NewPathAttributeMultiExitDisc(7),
			bgp.NewPathAttributeLocalPref(300), // ignored: the neighbor is external
			bgp.NewPathAttributeCommunities([]uint32{65000<<16 | 1, uint32(plugins.GracefulShutdown)}),
			bgp.NewPathAttributeMpReachNLRI(hostA.String(), []bgp.AddrPrefixInterface{v4}),
			bgp.NewPathAttributeLargeCommunities([]*bgp.LargeCommunity{{ASN: 1, LocalData1: 2, LocalData2: 3}}),
		}, nil), update{announced: []Route{want}}},
		{"IPv6", bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{
			origin, path, bgp.NewPathAttributeMpReachNLRI(hostA.String(), []bgp.AddrPrefixInterface{v6}),
		}, nil), update{announced: []Route{want6}}},
		{"IPv4 in the old way", bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{
			origin, path, bgp.NewPathAttributeNextHop("192.0.2.9"),
		}, []*bgp.IPAddrPrefix{v4}), update{announced: []Route{want4}}},
		{"withdrawals", bgp.NewBGPUpdateMessage([]*bgp.IPAddrPrefix{v4}, []bgp.PathAttributeInterface{
			bgp.NewPathAttributeMpUnreachNLRI([]bgp.AddrPrefixInterface{v6}),
		}, nil), update{withdrawn: []netip.Prefix{vip, want6.Prefix}}},
		{"End-of-RIB", bgp.NewEndOfRib(bgp.RF_IPv4_UC), update{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, 9*time.Second)
				f.establish(9 * time.Second)
				f.send(tt.send)
				var got update
				select {
				case got = <-f.updates:
				case err := <-f.ended:
					t.Fatalf("session ended: %v", err)
				}
				text := cmp.Transformer("text", func(a netip.Addr) string { return a.String() })
				textP := cmp.Transformer("text", func(p netip.Prefix) string { return p.String() })
				if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(update{}), text, textP); d != "" {
					t.Errorf("update (-want +got):\n%s", d)
				}
				f.send(bgp.NewBGPNotificationMessage(cease, 3, nil))
				if err := <-f.ended; err.Error() != "received NOTIFICATION 6/3" {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}

func TestOpenOffersWhatTheServerTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, 9*time.Second)
		m := <-f.heard
		open, ok := m.Body.(*bgp.BGPOpen)
		if !ok {
			t.Fatalf("first message has type %d, want OPEN", m.Header.Type)
		}
		var codes []bgp.BGPCapabilityCode
		for _, p := range open.OptParams {
			for _, c := range p.(*bgp.OptionParameterCapability).Capability {
				codes = append(codes, c.Code())
			}
		}
		want := []bgp.BGPCapabilityCode{bgp.BGP_CAP_MULTIPROTOCOL, bgp.BGP_CAP_MULTIPROTOCOL, bgp.BGP_CAP_EXTENDED_NEXTHOP, bgp.BGP_CAP_FOUR_OCTET_AS_NUMBER, bgp.BGP_CAP_ROUTE_REFRESH}
		if !slices.Equal(codes, want) || open.HoldTime != 9 || open.MyAS != 65000 {
			t.Errorf("OPEN of AS %d, hold %d, capabilities %v; want AS 65000, 9, %v", open.MyAS, open.HoldTime, codes, want)
		}
		f.conn.Close()
		<-f.ended
	})
}
