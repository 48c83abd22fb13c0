package frr

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/stentor-net/stentor/bgpbackends/internal/refusals"
	"github.com/stentor-net/stentor/plugins"
)

const codeDefaultRoute plugins.Code = "frr-default-route"

// resolvesSince is the first FRR that takes the default route to a peer for a
// way unless it is told not to.
const resolvesSince = 9

// InspectSpeaker implements plugins.SpeakerInspector.
func (b *Backend) InspectSpeaker(ctx context.Context, want plugins.Speaker) ([]plugins.Finding, error) {
	j, err := b.prepare(ctx, want)
	if errors.Is(err, plugins.ErrUnavailable) {
		return nil, nil // Detect says so
	}
	found := refusals.Findings("frr", errors.Join(err, j.refused))
	if !b.settings.ResolveViaDefault {
		found = append(found, viaDefault(want.Peers, j.theirs)...)
	}
	return found, nil
}

// viaDefault are the peers that FRR keeps idle where only the default route
// leads to them. Those with a TTL of 1 have to be on a link.
func viaDefault(peers []plugins.Peer, t theirs) []plugins.Finding {
	var all []plugins.Finding
	for _, line := range []string{resolve4, resolve6} {
		var names []string
		for _, p := range peers {
			if (line == resolve6) == p.Addr.Is6() && (p.TTL > 1 || p.TTLSecurity > 1) {
				names = append(names, p.Name)
			}
		}
		major, _, _ := strings.Cut(t.version, ".")
		n, err := strconv.Atoi(major)
		byDefault := err == nil && n >= resolvesSince && !t.globals["no "+line]
		if len(names) == 0 || t.globals[line] || byDefault {
			continue
		}
		all = append(all, plugins.Finding{
			Code: codeDefaultRoute, Severity: plugins.SeverityWarning, Object: "frr",
			Message: fmt.Sprintf("FRR %s keeps a peer idle that is reached by the default route (%q is not set): %s", t.version, line, strings.Join(names, ", ")),
			Hint:    fmt.Sprintf("set resolve_via_default = true in [backend.frr], or add to FRR's configuration: %s", line),
		})
	}
	return all
}
