package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"pgregory.net/rapid"
)

func drawOpen(r *rapid.T) *Open {
	o := &Open{
		ASN: rapid.Uint32Min(1).Draw(r, "asn"), FourOctetAS: true,
		Hold:         time.Duration(rapid.SampledFrom([]int{0, 3, 9, 180, 65535}).Draw(r, "hold")) * time.Second,
		ID:           netip.AddrFrom4([4]byte{192, 0, 2, rapid.Byte().Draw(r, "id")}),
		Families:     rapid.SampledFrom([][]Family{nil, {IPv4}, {IPv6}, {IPv4, IPv6}}).Draw(r, "families"),
		RouteRefresh: rapid.Bool().Draw(r, "refresh"), EnhancedRefresh: rapid.Bool().Draw(r, "enhanced"),
		ExtendedNextHop: rapid.Bool().Draw(r, "next hop"), ExtendedMessage: rapid.Bool().Draw(r, "extended"),
	}
	if rapid.Bool().Draw(r, "restart") {
		o.Restart = &Restart{Restarting: rapid.Bool().Draw(r, "R"), Time: time.Duration(rapid.IntRange(0, 4095).Draw(r, "time")) * time.Second}
	}
	return o
}

func TestOpenRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		o := drawOpen(r)
		kind, body, err := NewReader(bytes.NewReader(AppendOpen(nil, o))).Next()
		if err != nil || kind != TypeOpen {
			r.Fatal(kind, err)
		}
		got, err := DecodeOpen(body)
		if err != nil {
			r.Fatal(err)
		}
		if d := cmp.Diff(o, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			r.Error(d)
		}
	})
}

// TestOpenAsOthersReadIt: GoBGP's codec sees the same.
func TestOpenAsOthersReadIt(t *testing.T) {
	o := &Open{ASN: 4200000000, Hold: 9 * time.Second, ID: netip.MustParseAddr("192.0.2.7"), Families: []Family{IPv4, IPv6}, RouteRefresh: true,
		EnhancedRefresh: true, ExtendedNextHop: true, ExtendedMessage: true, FourOctetAS: true, Restart: &Restart{Time: 5 * time.Second}}
	m, err := bgp.ParseBGPMessage(AppendOpen(nil, o))
	if err != nil {
		t.Fatal(err)
	}
	open := m.Body.(*bgp.BGPOpen)
	if open.MyAS != asTrans || open.HoldTime != 9 || open.ID.String() != "192.0.2.7" {
		t.Errorf("%+v", open)
	}
	var codes []bgp.BGPCapabilityCode
	for _, p := range open.OptParams {
		for _, c := range p.(*bgp.OptionParameterCapability).Capability {
			codes = append(codes, c.Code())
			if gr, ok := c.(*bgp.CapGracefulRestart); ok && (gr.Time != 5 || gr.Flags != 0 || len(gr.Tuples) != 2) {
				t.Errorf("graceful restart: %+v", gr)
			}
			if nh, ok := c.(*bgp.CapExtendedNexthop); ok && (len(nh.Tuples) != 1 || nh.Tuples[0].NexthopAFI != bgp.AFI_IP6) {
				t.Errorf("extended next hop: %+v", nh)
			}
		}
	}
	want := []bgp.BGPCapabilityCode{1, 1, 2, 5, 6, 64, 65, 70}
	if d := cmp.Diff(want, codes); d != "" {
		t.Error(d)
	}
}

func TestBadOpens(t *testing.T) {
	good := AppendOpen(nil, &Open{ASN: 65000, Hold: 9 * time.Second, ID: netip.MustParseAddr("192.0.2.1"), Families: []Family{IPv4}})[headerLen:]
	with := func(at int, b ...byte) []byte {
		c := bytes.Clone(good)
		copy(c[at:], b)
		return c
	}
	tests := map[string]struct {
		body    []byte
		subcode uint8
	}{
		"version":              {with(0, 3), BadVersion},
		"AS 0":                 {with(1, 0, 0), BadPeerAS},
		"hold 1":               {with(3, 0, 1), UnacceptableHoldTime},
		"hold 2":               {with(3, 0, 2), UnacceptableHoldTime},
		"identifier":           {with(5, 0, 0, 0, 0), BadIdentifier},
		"length of parameters": {with(9, 200), 0},
		"parameter type":       {with(10, 7), BadOptionalParameter},
		"length of parameter":  {with(11, 200), 0},
		"length of capability": {with(13, 200), 0},
		"truncated":            {append(bytes.Clone(good[:9]), 1, 2), 0},
	}
	for name, tt := range tests {
		_, err := DecodeOpen(tt.body)
		var n *Notification
		if !errors.As(err, &n) || n.Code != OpenError || n.Subcode != tt.subcode {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadHeaders(t *testing.T) {
	keepalive := AppendKeepalive(nil)
	with := func(at int, b ...byte) []byte {
		c := append(bytes.Clone(keepalive), make([]byte, 8192)...)
		copy(c[at:], b)
		return c
	}
	tests := map[string]struct {
		message []byte
		subcode uint8
		data    []byte
	}{
		"marker":         {with(3, 0), NotSynchronized, nil},
		"length 18":      {with(16, 0, 18), BadMessageLength, []byte{0, 18}},
		"long keepalive": {with(16, 0, 20), BadMessageLength, []byte{0, 20}},
		"length 4097":    {with(16, 0x10, 0x01, 2), BadMessageLength, []byte{0x10, 0x01}},
		"short update":   {with(16, 0, 22, 2), BadMessageLength, []byte{0, 22}},
		"type 9":         {with(18, 9), BadMessageType, []byte{9}},
		"type 0":         {with(18, 0), BadMessageType, []byte{0}},
	}
	for name, tt := range tests {
		_, _, err := NewReader(bytes.NewReader(tt.message)).Next()
		var n *Notification
		if !errors.As(err, &n) || n.Code != HeaderError || n.Subcode != tt.subcode || !bytes.Equal(n.Data, tt.data) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := NewReader(bytes.NewReader(keepalive[:10])).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a truncated header: %v", err)
	}
	long := NewReader(bytes.NewReader(with(16, 0x10, 0x01, 2)))
	long.Max = MaxExtendedLen
	if kind, body, err := long.Next(); err != nil || kind != TypeUpdate || len(body) != 4097-headerLen {
		t.Errorf("an extended message: %s, %d bytes, %v", kind, len(body), err)
	}
}

func drawPrefixes(r *rapid.T, f Family) []netip.Prefix {
	n := rapid.IntRange(1, 3000).Draw(r, "prefixes")
	out := make([]netip.Prefix, n)
	for i := range out {
		if f == IPv4 {
			out[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 32)
			continue
		}
		a := netip.MustParseAddr("2001:db8::").As16()
		binary.BigEndian.PutUint16(a[4:], uint16(i))
		out[i] = netip.PrefixFrom(netip.AddrFrom16(a), rapid.SampledFrom([]int{48, 56, 64, 128}).Draw(r, "bits"))
	}
	return out
}

// TestUpdatesAsOthersReadThem: GoBGP's codec finds each prefix once, with the
// attributes, in messages that are full and not longer than allowed.
func TestUpdatesAsOthersReadThem(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := rapid.SampledFrom([]Family{IPv4, IPv6}).Draw(r, "family")
		s := Session{FourOctetAS: rapid.Bool().Draw(r, "four"), Max: rapid.SampledFrom([]int{MaxLen, MaxExtendedLen}).Draw(r, "max")}
		a := &Attributes{
			ASPath:      rapid.SliceOfN(rapid.Uint32Min(1), 0, 10).Draw(r, "path"),
			NextHop:     netip.MustParseAddr("2001:db8::7"),
			Communities: rapid.SliceOfN(rapid.Uint32(), 0, 100).Draw(r, "communities"),
		}
		if f == IPv4 && rapid.Bool().Draw(r, "plain") {
			a.NextHop = netip.MustParseAddr("192.0.2.7")
		}
		med := rapid.Uint32().Draw(r, "med")
		if rapid.Bool().Draw(r, "has MED") {
			a.MED = &med
		}
		want := drawPrefixes(r, f)
		stream := NewReader(bytes.NewReader(AppendWithdraw(AppendAnnounce(nil, s, a, f, want), s, f, want)))
		stream.Max = s.Max
		seen, gone, messages := map[string]int{}, map[string]int{}, 0
		for {
			kind, body, err := stream.Next()
			if err == io.EOF {
				break
			}
			if err != nil || kind != TypeUpdate {
				r.Fatal(kind, err)
			}
			counts, err := CountUpdate(body)
			if err != nil {
				r.Fatal(err)
			}
			messages++
			u := &bgp.BGPUpdate{}
			if err := u.DecodeFromBytes(body, &bgp.MarshallingOption{}); err != nil {
				r.Fatal(err)
			}
			before := len(seen) + len(gone)
			for _, p := range u.NLRI {
				seen[p.String()]++
			}
			for _, p := range u.WithdrawnRoutes {
				gone[p.String()]++
			}
			for _, attr := range u.PathAttributes {
				switch x := attr.(type) {
				case *bgp.PathAttributeMpReachNLRI:
					if x.Nexthop.String() != a.NextHop.String() {
						r.Errorf("next hop %s", x.Nexthop)
					}
					for _, p := range x.Value {
						seen[p.String()]++
					}
				case *bgp.PathAttributeMpUnreachNLRI:
					for _, p := range x.Value {
						gone[p.String()]++
					}
				case *bgp.PathAttributeCommunities:
					if !cmp.Equal(x.Value, a.Communities) {
						r.Errorf("communities %v", x.Value)
					}
				case *bgp.PathAttributeMultiExitDisc:
					if a.MED == nil || x.Value != *a.MED {
						r.Errorf("MED %d", x.Value)
					}
				}
			}
			if now := len(seen) + len(gone); counts.Announced+counts.Withdrawn != now-before {
				r.Errorf("counted %+v, GoBGP found %d", counts, now-before)
			}
		}
		for _, found := range []map[string]int{seen, gone} {
			if len(found) != len(want) {
				r.Errorf("%d prefixes, want %d", len(found), len(want))
			}
			for p, n := range found {
				if n != 1 {
					r.Errorf("%s is there %d times", p, n)
				}
			}
		}
		size := 0
		for _, p := range want {
			size += 1 + (p.Bits()+7)/8
		}
		if full := 2 * (size/(s.Max-700) + 1); messages > full {
			r.Errorf("%d messages where %d would do", messages, full)
		}
	})
}

func TestEndOfRIB(t *testing.T) {
	for f, family := range map[Family]bgp.RouteFamily{IPv4: bgp.RF_IPv4_UC, IPv6: bgp.RF_IPv6_UC} {
		m, err := bgp.ParseBGPMessage(AppendEndOfRIB(nil, f))
		if err != nil {
			t.Fatal(err)
		}
		if is, got := m.Body.(*bgp.BGPUpdate).IsEndOfRib(); !is || got != family {
			t.Errorf("%s: %v %v", f, is, got)
		}
	}
}

func TestCommunication(t *testing.T) {
	text := "disk swap\nuntil \x1b[31mten"
	data := append([]byte{byte(len(text))}, text...)
	tests := map[string]struct {
		n    Notification
		want string
	}{
		"shutdown":     {Notification{Code: Cease, Subcode: AdminShutdown, Data: data}, "6/2 (cease: administrative shutdown): disk swap until  [31mten"},
		"too long":     {Notification{Code: Cease, Subcode: AdminShutdown, Data: []byte{200, 'x'}}, "6/2 (cease: administrative shutdown)"},
		"not UTF-8":    {Notification{Code: Cease, Subcode: AdminReset, Data: []byte{1, 0xff}}, "6/4 (cease: administrative reset)"},
		"another code": {Notification{Code: OpenError, Subcode: BadPeerAS, Data: data}, "2/2 (OPEN message error: bad peer AS)"},
		"unknown":      {Notification{Code: 77, Subcode: 9}, "77/9 (unknown error code)"},
	}
	for name, tt := range tests {
		if got := tt.n.String(); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
		_, body, err := NewReader(bytes.NewReader(AppendNotification(nil, &tt.n))).Next()
		if err != nil {
			t.Fatal(err)
		}
		if got := DecodeNotification(body); got.String() != tt.want {
			t.Errorf("%s, decoded: %q", name, got)
		}
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(AppendOpen(nil, &Open{ASN: 65000, Hold: 9 * time.Second, ID: netip.MustParseAddr("192.0.2.1"), Families: []Family{IPv4, IPv6}, Restart: &Restart{}}))
	f.Add(AppendAnnounce(nil, Session{Max: MaxLen}, &Attributes{NextHop: netip.MustParseAddr("::1")}, IPv6, []netip.Prefix{netip.MustParsePrefix("2001:db8::/64")}))
	f.Add(AppendNotification(nil, &Notification{Code: Cease, Subcode: AdminShutdown, Data: []byte("\x03abc")}))
	f.Add(AppendRefresh(AppendEndOfRIB(AppendKeepalive(nil), IPv6), IPv4, RefreshBegin))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		r.Max = MaxExtendedLen
		for {
			kind, body, err := r.Next()
			if err != nil {
				return
			}
			switch kind {
			case TypeOpen:
				if o, err := DecodeOpen(body); err == nil {
					if again, err := DecodeOpen(AppendOpen(nil, o)[headerLen:]); err != nil || !o.FourOctetAS && o.ASN != again.ASN {
						t.Errorf("%+v, encoded and decoded: %+v, %v", o, again, err)
					}
				}
			case TypeUpdate:
				_, _ = CountUpdate(body)
			case TypeNotification:
				_ = DecodeNotification(body).String()
			case TypeRouteRefresh:
				_, _ = DecodeRefresh(body, true)
			}
		}
	})
}

// TestUpdatesTakeNoMemory: whatever a peer sends in an established session, it
// costs this process nothing that grows.
func TestUpdatesTakeNoMemory(t *testing.T) {
	var prefixes []netip.Prefix
	for i := range 200 {
		prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, 0, byte(i)}), 32))
	}
	message := AppendAnnounce(nil, Session{Max: MaxLen}, &Attributes{NextHop: netip.MustParseAddr("192.0.2.1")}, IPv4, prefixes)
	stream := bytes.NewReader(nil)
	in := NewReader(stream)
	got := testing.AllocsPerRun(100, func() {
		stream.Reset(message)
		_, body, err := in.Next()
		if err != nil {
			t.Fatal(err)
		}
		if c, err := CountUpdate(body); err != nil || c.Announced != len(prefixes) {
			t.Fatalf("counted %+v, %v", c, err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations for a message", got)
	}
}
