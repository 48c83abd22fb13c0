package ifupdown

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
)

func TestSourcing(t *testing.T) {
	const missing = "ifupdown-source /etc/network/interfaces:0: it does not read /etc/network/interfaces.d/stentor, so shared IPs would be lost at the next reboot, and apply refuses | " +
		"add this line: source /etc/network/interfaces.d/stentor; or set add_source_line = true in [backend.ifupdown]"
	const glob = `ifupdown-ng-glob /etc/network/interfaces:2: ifupdown-ng 0.11.3 can't read "source /etc/network/interfaces.d/*" and refuses the whole file: no link comes up at the next boot | ` +
		"write: source-directory /etc/network/interfaces.d"
	tests := []struct {
		name, text, flavour string
		addSource           bool
		want                []string
	}{
		{name: "no source line", text: "auto lo\n", want: []string{missing}},
		{name: "no source line, and leave to add it", text: "auto lo\n", addSource: true},
		{name: "classic reads a glob", text: "auto lo\nsource /etc/network/interfaces.d/*\n", flavour: "ifup version 0.8.41"},
		{name: "ifupdown-ng does not", text: "auto lo\nsource /etc/network/interfaces.d/*\n", flavour: "ifupdown-ng 0.11.3", want: []string{glob}},
		{name: "ifupdown-ng reads a folder", text: "source-directory /etc/network/interfaces.d\n", flavour: "ifupdown-ng 0.11.3"},
		{name: "ifupdown-ng reads a file", text: "source /etc/network/interfaces.d/stentor\n", flavour: "ifupdown-ng 0.11.3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i, err := netfiles.ReadInterfaces(fstest.MapFS{"etc/network/interfaces": {Data: []byte(tt.text)}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range sourcing(i, tt.flavour, tt.addSource) {
				if f.Severity != "problem" {
					t.Errorf("%s: the host can't work, and it is a %s", f.Message, f.Severity)
				}
				got = append(got, fmt.Sprintf("%s %s:%d: %s | %s", f.Code, f.Path, f.Line, f.Message, f.Hint))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestOthersLines: what is right for one flavour is a trap with another.
func TestOthersLines(t *testing.T) {
	root := fstest.MapFS{
		"etc/network/interfaces":               {Data: []byte("source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n")},
		"etc/network/interfaces.d/web":         {Data: []byte("auto lo:web\niface lo:web inet static\n  address 203.0.113.10/32\n")},
		"etc/network/interfaces.d/web~":        {Data: []byte("auto eth7\niface eth7 inet dhcp\n")},
		"etc/network/interfaces.d/db.dpkg-old": {Data: []byte("auto eth8\n")},
	}
	i, err := netfiles.ReadInterfaces(root)
	if err != nil {
		t.Fatal(err)
	}
	for flavour, want := range map[string][]string{
		"ifup version 0.8.41": nil,
		"ifupdown-ng 0.11.3":  {"ifupdown-alias /etc/network/interfaces.d/web:2: ifdown lo:web empties lo, 127.0.0.1 included (ifupdown-ng 0.11.3) | take it out; Stentor needs no alias"},
		"ifupdown2:3.0.0-1.1": {"ifupdown-alias /etc/network/interfaces.d/web:2: ifupdown2:3.0.0-1.1 knows no aliases: lo:web never comes up | take it out; Stentor needs no alias"},
	} {
		want = append(want,
			"ifupdown-leftover /etc/network/interfaces.d/db.dpkg-old:0: this looks like a backup, and is read like any other file of this folder: what it has stands twice, or comes back | delete it, or move it to another folder",
			"ifupdown-leftover /etc/network/interfaces.d/web~:0: this looks like a backup, and is read like any other file of this folder: what it has stands twice, or comes back | delete it, or move it to another folder")
		var got []string
		for _, f := range append(aliases(i, flavour), leftovers(i)...) {
			got = append(got, fmt.Sprintf("%s %s:%d: %s | %s", f.Code, f.Path, f.Line, f.Message, f.Hint))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", flavour, d)
		}
	}
}
