package dropin

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// Observe implements plugins.NetBackend. Below another root it tells what the
// files name.
func (e *Engine) Observe(ctx context.Context) ([]plugins.VIPState, error) {
	kept, edited, err := e.own()
	if err != nil {
		return nil, err
	}
	if e.live == nil {
		states := make([]plugins.VIPState, len(kept))
		for i, v := range kept {
			states[i].VIP = v
		}
		return states, nil
	}
	s, err := e.live.Look(ctx, kept)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	s.Theirs = e.theirs()
	states := e.live.Observe(s)
	inFile := make(map[netip.Addr]bool, len(kept))
	for _, v := range kept {
		inFile[v.Addr] = true
	}
	for i := range states {
		v := &states[i]
		say := v.Drift
		if !v.Adopted && !inFile[v.Addr] {
			say = and(say, "no file of ours brings it back after a reboot")
		}
		if len(edited) > 0 && !v.Adopted {
			say = and(say, fmt.Sprintf("%s was edited by hand", strings.Join(edited, ", ")))
		}
		v.Drift = say
	}
	return states, nil
}

func and(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
