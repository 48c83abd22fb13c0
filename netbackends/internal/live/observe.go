package live

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/kernel"
	"github.com/stentor-net/stentor/plugins"
)

// Observe tells what is held and what is adopted. The Link of a state is the
// one where the address stands, or belongs when it does not; Drift tells where
// that is not the link of the config.
func (h *Host) Observe(s *State) []plugins.VIPState {
	h.hold(s.have)
	entries := s.have.sorted()
	states := make([]plugins.VIPState, len(entries))
	for i, e := range entries {
		if name, ok := s.now.names[e.Index]; ok {
			e.Link = name
		}
		at, there := s.now.at(e.place())
		states[i] = plugins.VIPState{
			VIP:     plugins.VIP{Name: e.VIP, Addr: e.Addr, Link: e.Link},
			OnHost:  there,
			Adopted: e.Adopted,
			Drift:   drift(e, at, there, s),
		}
	}
	return states
}

// drift says how the host differs from one host address on the wanted link.
func drift(e entry, at kernel.Address, there bool, s *State) string {
	host := netip.PrefixFrom(e.Addr, e.Addr.BitLen())
	if !there {
		return fmt.Sprintf("%s is gone from %s", host, e.Link)
	}
	var say []string
	if e.File != "" && s.Theirs[e.Addr] == "" {
		say = append(say, fmt.Sprintf("%s, which brought it to %s, names it no more: stentor apply writes it to a file of Stentor's own", e.File, e.Link))
	}
	if e.Wanted != "" && e.Wanted != e.Link {
		say = append(say, fmt.Sprintf("it was on %s already and is used there, though the config says %s", e.Link, e.Wanted))
	}
	if !at.Prefix.IsSingleIP() {
		say = append(say, fmt.Sprintf("it stands on %s as %s: this host reaches no other address of %s through the network",
			e.Link, at.Prefix, at.Prefix.Masked()))
	}
	if at.Dynamic {
		say = append(say, "it has a lifetime: DHCP or a router advertisement gave it, and may take it away")
	}
	for _, other := range s.now.addrs[e.Addr] {
		if other.Index != e.Index {
			say = append(say, fmt.Sprintf("it stands on %s too", s.now.names[other.Index]))
		}
	}
	return strings.Join(say, "; ")
}
