package main

import (
	"net/netip"
	"testing"
)

func TestRefusal(t *testing.T) {
	both := []string{"ipv4 unicast", "ipv6 unicast"}
	v4, v6 := netip.MustParsePrefix("198.51.100.10/32"), netip.MustParsePrefix("2001:db8::/64")
	own4, own6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("fd00::7")
	for _, tt := range []struct {
		name   string
		agreed negotiated
		prefix netip.Prefix
		source netip.Addr
		sent   bool
	}{
		{"IPv6 over IPv6", negotiated{Families: both}, v6, own6, true},
		{"IPv4 over IPv4", negotiated{Families: both}, v4, own4, true},
		{"IPv4 over IPv6", negotiated{Families: both}, v4, own6, false},
		{"IPv4 over IPv6 with RFC 8950", negotiated{Families: both, NextHop: []string{"ipv4 unicast ipv6"}}, v4, own6, true},
		{"IPv6 over IPv4", negotiated{Families: both}, v6, own4, false},
		{"a family that was not agreed on", negotiated{Families: both[:1]}, v6, own6, false},
	} {
		if _, why := tt.agreed.refusal(tt.prefix, route{}, tt.source); (why == "") != tt.sent {
			t.Errorf("%s: %q", tt.name, why)
		}
	}
}

func TestNotificationText(t *testing.T) {
	for in, want := range map[notification]string{
		{6, 2, "0x6261636B2061742074656E"}: "NOTIFICATION 6/2: back at ten",
		{2, 2, "0x0000"}:                   "NOTIFICATION 2/2",
		{4, 0, ""}:                         "NOTIFICATION 4/0",
		{6, 2, "nonsense"}:                 "NOTIFICATION 6/2",
	} {
		if got := in.String(); got != want {
			t.Errorf("%+v: %q, want %q", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{ "type": "state", "neighbor": { "state": "up" } }`))
	f.Add([]byte(`{ "type": "update", "neighbor": { "direction": "send", "message": { "update": { "announce": { "ipv4 unicast": { "192.0.2.7": [ { "nlri": "198.51.100.10/32" } ] } } } } } }`))
	f.Fuzz(func(_ *testing.T, line []byte) {
		e, err := parse(line)
		if err != nil {
			return
		}
		_, _, _ = e.announced(), e.withdrawn(), e.state()
		if e.Neighbor.Notification != nil {
			_ = e.Neighbor.Notification.String()
		}
	})
}
