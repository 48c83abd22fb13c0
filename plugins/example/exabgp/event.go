package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"unicode"

	"github.com/stentor-net/stentor/plugins"
)

// event is a line of ExaBGP's JSON API, as far as it matters here.
type event struct {
	Type     string `json:"type"`
	Neighbor struct {
		Direction    string        `json:"direction"` // "send" or "receive"
		State        string        `json:"state"`     // of the types "state" and "fsm"
		Reason       string        `json:"reason"`    // of the state "down"
		Negotiated   *negotiated   `json:"negotiated"`
		Notification *notification `json:"notification"`
		Message      struct {
			Update struct {
				// By family and next hop.
				Announce map[string]map[string][]nlri `json:"announce"`
				Withdraw map[string][]nlri            `json:"withdraw"`
			} `json:"update"`
		} `json:"message"`
	} `json:"neighbor"`
}

type nlri struct {
	Prefix netip.Prefix `json:"nlri"`
}

// negotiated is what both sides of a session can do.
type negotiated struct {
	Families []string `json:"families"` // as "ipv4 unicast"
	NextHop  []string `json:"nexthop"`  // as "ipv4 unicast ipv6" (RFC 8950)
}

type notification struct {
	Code    int    `json:"code"`
	Subcode int    `json:"subcode"`
	Data    string `json:"data"` // in hexadecimal digits
}

func parse(line []byte) (e event, err error) {
	err = json.Unmarshal(line, &e)
	return e, err
}

// announced and withdrawn are the prefixes of an UPDATE.
func (e event) announced() (all []netip.Prefix) {
	for _, hops := range e.Neighbor.Message.Update.Announce {
		for _, list := range hops {
			for _, n := range list {
				all = append(all, n.Prefix)
			}
		}
	}
	return all
}

func (e event) withdrawn() (all []netip.Prefix) {
	for _, list := range e.Neighbor.Message.Update.Withdraw {
		for _, n := range list {
			all = append(all, n.Prefix)
		}
	}
	return all
}

// state is the word of RFC 4271 §8.2.2 for ExaBGP's.
func (e event) state() plugins.SessionState {
	return plugins.SessionState(strings.ToLower(e.Neighbor.State))
}

// String says what a NOTIFICATION says. Of the data ExaBGP has made text where
// it can.
func (n notification) String() string {
	text := fmt.Sprintf("NOTIFICATION %d/%d", n.Code, n.Subcode)
	data, err := hex.DecodeString(strings.TrimPrefix(n.Data, "0x"))
	if err != nil || len(data) == 0 || strings.ContainsFunc(string(data), func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	return text + ": " + string(data)
}

// refusal tells why a route can't be sent in a session with source as our own
// address; "" if it can. hop is its next hop.
func (n negotiated) refusal(p netip.Prefix, r route, source netip.Addr) (hop netip.Addr, why string) {
	hop, family := source, "ipv4"
	if r.nextHop.IsValid() {
		hop = r.nextHop
	}
	if p.Addr().Is6() {
		family = "ipv6"
	}
	name := map[string]string{"ipv4": "IPv4", "ipv6": "IPv6"}[family]
	switch {
	case !has(n.Families, family+" unicast"):
		return hop, fmt.Sprintf("%s is not sent: the peer takes no %s routes", p, name)
	case family == "ipv6" && hop.Is4():
		return hop, fmt.Sprintf("%s is not sent: an IPv6 route needs an IPv6 next hop, and the session is over IPv4", p)
	case family == "ipv4" && hop.Is6() && !has(n.NextHop, "ipv4 unicast ipv6"):
		return hop, fmt.Sprintf("%s is not sent: the peer takes no IPv6 next hop for IPv4 (RFC 8950)", p)
	}
	return hop, ""
}

func has(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}
