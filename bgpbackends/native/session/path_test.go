package session

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/internal/bfd"
)

// TestFollow: only what was up can break, and only the path's own failure ends
// a session.
func TestFollow(t *testing.T) {
	up := bfd.View{State: bfd.Up}
	expired := bfd.View{State: bfd.Down, Diag: bfd.DetectExpired, DetectTime: 900 * time.Millisecond}
	tests := map[string]struct {
		views []bfd.View
		want  string
	}{
		"never came up":             {[]bfd.View{{State: bfd.Init}, expired}, ""},
		"silence":                   {[]bfd.View{up, expired}, "BFD heard nothing for 900ms"},
		"the peer hears nothing":    {[]bfd.View{up, {State: bfd.Down, Diag: bfd.NeighborDown}}, "BFD went down: neighbor signaled session down"},
		"the peer switches it off":  {[]bfd.View{up, {State: bfd.Down, Diag: bfd.NeighborDown, PeerDisabled: true}}, ""},
		"switched off here":         {[]bfd.View{up, {State: bfd.AdminDown, Diag: bfd.AdministrativelyDown}}, ""},
		"off at the peer, and then": {[]bfd.View{up, {State: bfd.Down, PeerDisabled: true}, expired}, ""},
	}
	for name, tt := range tests {
		s := &Session{Config: Config{Log: slog.New(slog.DiscardHandler), Changed: func(string) {}}, cut: make(chan string, 1), healed: make(chan struct{}, 1)}
		changed := s.follow()
		for _, v := range tt.views {
			changed(v)
		}
		got := ""
		select {
		case got = <-s.cut:
		default:
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
