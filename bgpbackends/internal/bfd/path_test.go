package bfd

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFollow: only what was up can break, and only the path's own failure ends
// a BGP session.
func TestFollow(t *testing.T) {
	up := View{State: Up}
	expired := View{State: Down, Diag: DetectExpired, DetectTime: 900 * time.Millisecond}
	tests := map[string]struct {
		views []View
		want  []string
	}{
		"never came up":             {[]View{{State: Init}, expired}, nil},
		"silence":                   {[]View{up, expired}, []string{"up", "BFD heard nothing for 900ms"}},
		"the peer hears nothing":    {[]View{up, {State: Down, Diag: NeighborDown}}, []string{"up", "BFD went down: neighbor signaled session down"}},
		"the peer switches it off":  {[]View{up, {State: Down, Diag: NeighborDown, PeerDisabled: true}}, []string{"up", "off"}},
		"switched off here":         {[]View{up, {State: AdminDown, Diag: AdministrativelyDown}}, []string{"up"}},
		"off at the peer, and then": {[]View{up, {State: Down, PeerDisabled: true}, expired}, []string{"up", "off"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			say := func(word string) { got = append(got, word) }
			changed := follow(Events{Up: func(View) { say("up") }, PeerOff: func() { say("off") }, Broken: say})
			for _, v := range tt.views {
				changed(v)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
