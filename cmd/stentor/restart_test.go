package main

import (
	"strings"
	"testing"
)

func TestTellOutlook(t *testing.T) {
	for _, tt := range []struct {
		status string
		keeps  bool
		says   string
	}{
		{`{"restart": {"keeps_routes": true, "why": "frr goes on"}}`, true, "a restart moves no traffic: frr goes on\n"},
		{`{"restart": {"keeps_routes": false, "why": "rs1 drops them"}}`, false, "a restart can move traffic: rs1 drops them\n"},
		{`{"version": "0.0.9"}`, false, "a restart can move traffic: the daemon that runs is of version 0.0.9, which withdraws every route when it stops\n"},
	} {
		var out strings.Builder
		keeps, err := (&app{out: &out}).tellOutlook([]byte(tt.status))
		if err != nil || keeps != tt.keeps || out.String() != tt.says {
			t.Errorf("%s: %t, %v, %q", tt.status, keeps, err, out.String())
		}
	}
}
