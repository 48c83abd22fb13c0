package bfd

import (
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/internal/dissect"
)

// TestPacketsAsOthersReadThem holds the encoder against Wireshark.
func TestPacketsAsOthersReadThem(t *testing.T) {
	up := Packet{Diag: DetectExpired, State: Up, Poll: true, Multiplier: 3, My: 0x01020304, Your: 0x0a0b0c0d, DesiredTX: fast, RequiredRX: time.Second, Seq: 7}
	final := Packet{State: Init, Final: true, Multiplier: 5, My: 1, Your: 2, DesiredTX: time.Second, RequiredRX: time.Second}
	down := Packet{Diag: AdministrativelyDown, Multiplier: 3, My: 1, DesiredTX: time.Second, RequiredRX: fast}
	tests := []struct {
		packet []byte
		says   []string
	}{
		{up.Append(nil, nil), []string{"Session State: Up", "Control Detection Time Expired", "Poll: Set", "Detect Time Multiplier: 3", "0x01020304", "0x0a0b0c0d",
			"Desired Min TX Interval:  300 ms", "Required Min RX Interval: 1000 ms"}},
		{final.Append(nil, nil), []string{"Session State: Init", "Final: Set", "Detect Time Multiplier: 5"}},
		{down.Append(nil, nil), []string{"Session State: AdminDown", "Administratively Down"}},
		{up.Append(nil, keyed), []string{"Authentication Type: Keyed SHA1", "Authentication Key ID: 3", "Sequence Number: 0x00000007"}},
		{up.Append(nil, meticulous), []string{"Authentication Type: Meticulous Keyed SHA1"}},
	}
	var packets [][]byte
	for _, tt := range tests {
		packets = append(packets, tt.packet)
	}
	for i, text := range dissect.Texts(t, dissect.ByPort("udp.port", portSingleHop), packets...) {
		for _, want := range tests[i].says {
			if !strings.Contains(text, want) {
				t.Errorf("packet %d: no %q in\n%s", i+1, want, text)
			}
		}
	}
}
