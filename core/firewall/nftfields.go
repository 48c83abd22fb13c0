package firewall

import (
	"encoding/json"
	"net/netip"
)

// field gives the comparison of what a left side names with one value; nil if
// it is not known.
func (n nftReader) field(raw json.RawMessage) func(json.RawMessage) match {
	var left struct {
		Payload *struct{ Protocol, Field string }
		Meta    *struct{ Key string }
		CT      *struct{ Key string }
	}
	if json.Unmarshal(raw, &left) != nil {
		return nil
	}
	switch {
	case left.CT != nil && left.CT.Key == "state":
		return text(inState)
	case left.CT != nil && left.CT.Key == "status":
		return text(translated)
	case left.Meta != nil:
		switch left.Meta.Key {
		case "iif", "iifname", "oif", "oifname":
			return text(func(name string) match { return onLink(name, "*") })
		case "l4proto":
			return text(protocolIs)
		case "nfproto":
			return text(func(family string) match {
				return func(p Packet) truth { return truthOf((family == "ipv4") == p.Target.Is4()) }
			})
		}
	case left.Payload != nil:
		return payload(left.Payload.Protocol, left.Payload.Field)
	}
	return nil
}

// text is for values that are strings; of any other it isn't known what they are.
func text(of func(string) match) func(json.RawMessage) match {
	return func(v json.RawMessage) match {
		var s string
		if json.Unmarshal(v, &s) != nil {
			return unknown
		}
		return of(s)
	}
}

// translated: the packets that we ask about go to this host's own address, or
// come from it, and need no translation.
func translated(status string) match {
	if status == "dnat" || status == "snat" {
		return func(Packet) truth { return no }
	}
	return unknown
}

func payload(protocol, field string) func(json.RawMessage) match {
	switch protocol + " " + field {
	case "ip protocol", "ip6 nexthdr":
		return text(protocolIs)
	case "ip saddr", "ip6 saddr":
		return func(v json.RawMessage) match { return address(source, v) }
	case "ip daddr", "ip6 daddr":
		return func(v json.RawMessage) match { return address(target, v) }
	}
	of := map[string]func(Packet) int{"sport": sourcePort, "dport": targetPort}[field]
	if of == nil || protocol != "tcp" && protocol != "udp" && protocol != "th" {
		return nil
	}
	return func(v json.RawMessage) match { return port(of, v) }
}

// address reads "192.0.2.1", {"prefix": {"addr": ..., "len": ...}}; a range may
// hold it or not.
func address(of func(Packet) netip.Addr, v json.RawMessage) match {
	var o struct {
		Prefix *struct {
			Addr string
			Len  int
		}
	}
	if json.Unmarshal(v, &o) == nil && o.Prefix != nil {
		if p, ok := parsePrefix(o.Prefix.Addr); ok && o.Prefix.Len <= p.Bits() {
			cut, err := p.Addr().Prefix(o.Prefix.Len)
			if err == nil {
				return within(of, cut)
			}
		}
		return unknown
	}
	return text(func(s string) match {
		if p, ok := parsePrefix(s); ok {
			return within(of, p)
		}
		return unknown
	})(v)
}

// port reads 179, or {"range": [100, 200]}.
func port(of func(Packet) int, v json.RawMessage) match {
	var n int
	if json.Unmarshal(v, &n) == nil {
		return portIs(of, n, n)
	}
	var o struct{ Range []int }
	if json.Unmarshal(v, &o) == nil && len(o.Range) == 2 {
		return portIs(of, o.Range[0], o.Range[1])
	}
	return unknown
}
