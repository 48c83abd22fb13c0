package config

import (
	"fmt"
	"testing"
)

func TestOnRestart(t *testing.T) {
	for _, tt := range []struct {
		bgp, peer string
		want      OnRestart
	}{
		{"", "", OnRestartStop},
		{`graceful_restart = "5s"`, "", OnRestartKeep},
		{"", `graceful_restart = "5s"`, OnRestartKeep},
		{"graceful_restart = \"5s\"\non_restart = \"stop\"", "", OnRestartStop},
		{"graceful_restart = \"5s\"\non_restart = \"keep\"", "", OnRestartKeep},
		// There it is FRR's own restart that the key is about.
		{"backend = \"frr\"\ngraceful_restart = \"5s\"", "", OnRestartStop},
		{"backend = \"frr\"\non_restart = \"keep\"", "", OnRestartKeep},
	} {
		t.Run(tt.bgp+tt.peer, func(t *testing.T) {
			got := mustLoad(t, fmt.Sprintf("[bgp]\nasn = 65001\n%s\n[bgp.peer.tor1]\naddress = \"192.0.2.1\"\nasn = 64512\n%s\n", tt.bgp, tt.peer))
			if got.BGP.OnRestart != tt.want {
				t.Errorf("on_restart is %q, want %q", got.BGP.OnRestart, tt.want)
			}
		})
	}
}
