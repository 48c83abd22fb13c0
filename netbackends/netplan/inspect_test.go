package netplan

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

func said(f plugins.Finding) string {
	return fmt.Sprintf("%s %s %s:%d: %s | %s", f.Code, f.Severity, f.Path, f.Line, f.Message, f.Hint)
}

// TestInvalidText: what netplan says may have no place.
func TestInvalidText(t *testing.T) {
	for say, want := range map[string]string{
		"/etc/netplan/1.yaml:5:9: Invalid YAML: tabs\n\there\n\t^": "netplan-invalid problem /etc/netplan/1.yaml:5: netplan can't read its files, so none of them has an effect at the next boot, and stentor apply refuses: Invalid YAML: tabs | mend it; netplan generate says the same, and draws the place",
		"out of luck\nreally": "netplan-invalid problem :0: netplan can't read its files, so none of them has an effect at the next boot, and stentor apply refuses: out of luck | mend it; netplan generate says the same, and draws the place",
	} {
		if got := said(invalid(say)); got != want {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
}

func TestReadable(t *testing.T) {
	var got []string
	for _, f := range readable(fstest.MapFS{"etc/netplan/1.yaml": {Mode: 0o644}, "etc/netplan/2.yaml": {Mode: 0o600}, "run/netplan/3.yaml": {Mode: 0o644}}) {
		got = append(got, said(f))
	}
	if d := cmp.Diff([]string{"netplan-mode note /etc/netplan/1.yaml:0: others than root can read this file, and netplan warns of it each time | chmod 600 /etc/netplan/1.yaml"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
