package frr

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// neighbor is one in `show bgp neighbors ADDRESS json`.
type neighbor struct {
	State      string `json:"bgpState"`
	UpMsec     int64  `json:"bgpTimerUpMsec"`
	ResetMsec  int64  `json:"lastResetTimerMsecs"`
	ResetCause string `json:"lastResetDueTo"`
	// Of the last NOTIFICATION, if that was the cause.
	Reason   string `json:"lastNotificationReason"`
	Text     string `json:"lastShutdownDescription"` // RFC 9003
	Admin    bool   `json:"adminShutDown"`
	Messages struct {
		Queued int `json:"depthOutq"`
	} `json:"messageStats"`
	Families map[string]struct {
		Accepted int `json:"acceptedPrefixCounter"`
	} `json:"addressFamilyInfo"`
	Capabilities struct {
		Multiprotocol map[string]struct {
			Both bool `json:"advertisedAndReceived"`
		} `json:"multiprotocolExtensions"`
	} `json:"neighborCapabilities"`
}

// parseNeighbor finds a neighbor in the answer about it; nil if FRR has none.
func parseNeighbor(answer []byte, addr netip.Addr) (*neighbor, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(answer, &all); err != nil {
		return nil, fmt.Errorf("FRR's answer about neighbor %s: %w", addr, err)
	}
	raw, ok := all[addr.String()]
	if !ok {
		return nil, nil // it says "bgpNoSuchNeighbor", or nothing at all
	}
	var n neighbor
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, fmt.Errorf("FRR's answer about neighbor %s: %w", addr, err)
	}
	return &n, nil
}

// state gives the RFC's word. FRR has more states: Clearing and Deleted are
// the end of a session.
func (n *neighbor) state() plugins.SessionState {
	switch s := plugins.SessionState(strings.ToLower(n.State)); s {
	case plugins.StateConnect, plugins.StateActive, plugins.StateOpenSent, plugins.StateOpenConfirm, plugins.StateEstablished:
		return s
	}
	return plugins.StateIdle
}

func (n *neighbor) since(now time.Time) time.Time {
	return now.Add(-time.Duration(n.UpMsec) * time.Millisecond).Truncate(time.Second)
}

// neighbor asks for one; nil if FRR has none.
func (d *daemon) neighbor(ctx context.Context, addr netip.Addr) (*neighbor, error) {
	answer, err := d.run(ctx, "show bgp neighbors "+addr.String()+" json")
	if err != nil {
		return nil, err
	}
	return parseNeighbor(answer, addr)
}

// advertised gives the prefixes of a family that were sent to a neighbor and
// not withdrawn since.
func (d *daemon) advertised(ctx context.Context, family string, addr netip.Addr) ([]netip.Prefix, error) {
	answer, err := d.run(ctx, "show bgp "+family+" neighbors "+addr.String()+" advertised-routes json")
	if err != nil {
		return nil, err
	}
	return parseAdvertised(answer)
}

func parseAdvertised(answer []byte) ([]netip.Prefix, error) {
	var table struct {
		Routes map[string]json.RawMessage `json:"advertisedRoutes"`
	}
	if err := json.Unmarshal(answer, &table); err != nil {
		return nil, fmt.Errorf("FRR's answer about routes: %w", err)
	}
	var out []netip.Prefix
	for key := range table.Routes {
		x, err := netip.ParsePrefix(key)
		if err != nil {
			return nil, fmt.Errorf("FRR's answer about routes: %w", err)
		}
		out = append(out, x)
	}
	return out, nil
}

// jsonFamilies and familyWords name a family as FRR's JSON and as people do.
var (
	jsonFamilies = map[string]string{families[0]: "ipv4Unicast", families[1]: "ipv6Unicast"}
	familyWords  = map[string]string{families[0]: "IPv4 unicast", families[1]: "IPv6 unicast"}
)

// carries tells whether both sides offered the family.
func (n *neighbor) carries(family string) bool {
	return n.Capabilities.Multiprotocol[jsonFamilies[family]].Both
}

// valid tells whether BGP here has a usable path for a prefix: a network
// without a route in the RIB has none.
func (d *daemon) valid(ctx context.Context, x netip.Prefix) (bool, error) {
	answer, err := d.run(ctx, "show bgp "+family(x)+" "+x.String()+" json")
	if err != nil {
		return false, err
	}
	return parseValid(answer)
}

func parseValid(answer []byte) (bool, error) {
	type path struct {
		Valid bool `json:"valid"`
	}
	var route struct {
		Paths []path `json:"paths"`
	}
	if err := json.Unmarshal(answer, &route); err != nil {
		return false, fmt.Errorf("FRR's answer about a route: %w", err)
	}
	return slices.ContainsFunc(route.Paths, func(p path) bool { return p.Valid }), nil
}
