package hosts_test

import (
	"os"
	"testing"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// sandboxes has every network backend once, and every release.
var sandboxes = []stack{
	{suite: hosts.Bullseye, profile: hosts.Ifupdown, backend: "ifupdown"},
	{suite: hosts.Bookworm, profile: hosts.NM, backend: "networkmanager", table: nmOnLo},
	{suite: hosts.Bookworm, profile: hosts.Bare, backend: "iproute"},
	{suite: hosts.Trixie, profile: hosts.Netplan, backend: "netplan"},
}

// worksInSandbox has a backend do what it does within the units of the package,
// as they come and as `stentor setup` fits them.
func worksInSandbox(t *testing.T, s stack, deb string) {
	text, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	r := bareRig(t, s)
	if err := r.host.Put("/root/stentor.deb", hosts.File{Content: string(text), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	r.do("dpkg -i /root/stentor.deb")
	r.config(web)
	r.do("systemctl start stentor")
	r.settled(web)
	r.speaker()
	r.do("stentor setup && systemctl daemon-reload && systemctl restart stentor")
	r.config(web, dns)
	r.do("systemctl reload stentor")
	r.stentor(0, "apply")
	r.holds(web, dns)
	r.config()
	r.stentor(0, "apply")
	r.holds()
	r.do("systemctl stop stentor")
	r.config(web)
	r.do("systemctl start stentor-apply")
	r.holds(web)
}
