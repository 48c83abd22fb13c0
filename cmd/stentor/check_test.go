package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

func TestUnfit(t *testing.T) {
	tests := []struct {
		name     string
		backends []candidate
		want     string // MESSAGE | HINT
	}{
		{"none", nil, "no network backend fits this host | "},
		{"a stack without a backend", []candidate{{Name: "netplan", Why: "wicked runs this host's network, and no backend drives it"}, {Name: "iproute"}},
			`no network backend fits this host: wicked runs this host's network, and no backend drives it | name one in the config: [network] backend = "iproute"`},
		{"two of one right", []candidate{{Name: "networkd", Score: 95}, {Name: "networkmanager", Score: 95}, {Name: "iproute", Score: 10}},
			`several network backends fit this host equally well: networkd, networkmanager | name the one that owns the uplink: [network] backend = "networkd"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := unfit(tt.backends)
			if got := f.Message + " | " + f.Hint; !strings.HasPrefix(got, tt.want) || f.Severity != plugins.SeverityProblem {
				t.Errorf("%s %s\nwant %s", f.Severity, got, tt.want)
			}
		})
	}
}

// TestWriteSignals: backends that looked at the same facts tell them once.
func TestWriteSignals(t *testing.T) {
	shared := []plugins.Signal{{Name: "uplink", Value: "eth0"}, {Name: "networkd-file", Value: "none"}}
	var b strings.Builder
	writeSignals(&b, "\nwhat they looked at", []candidate{{looked: shared}, {looked: shared}, {looked: []plugins.Signal{{Name: "lo", Value: "up"}}}, {}})
	if d := cmp.Diff("\nwhat they looked at\n  uplink         eth0\n  networkd-file  none\n  lo             up\n", b.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	b.Reset()
	if writeSignals(&b, "title", []candidate{{}}); b.String() != "" {
		t.Errorf("nobody looked, and it says %q", b.String())
	}
}
