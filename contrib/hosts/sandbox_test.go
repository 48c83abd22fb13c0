package hosts_test

import (
	"os"
	"strings"
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
	r.speakerExposure()
	if s.profile != hosts.Bare { // its uplink has no address
		r.usesInSandbox()
	}
	r.reloadRefused()
	r.tellsRestart()
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

// reloadRefused: systemctl does not print what is wrong with a config; the Status
// line of the unit does, until a reload succeeds.
func (r *rig) reloadRefused() {
	r.t.Helper()
	status := func() string { return r.do("systemctl show --value -p StatusText stentor") }
	r.do("cp " + conf + " /root/good && echo 'mistake = 1' >>" + conf)
	if res := r.try("systemctl reload stentor"); res.Code == 0 {
		r.t.Error("the reload of a config with a mistake is said to have succeeded")
	}
	if got := status(); !strings.HasPrefix(got, "reload refused: "+conf+":") {
		r.t.Errorf("the Status line is %q", got)
	}
	r.do("mv /root/good " + conf + " && systemctl reload stentor")
	if got := status(); strings.Contains(got, "reload refused") {
		r.t.Errorf("after a reload that succeeded the Status line is %q", got)
	}
}

// tellsRestart: this release's systemd tells the daemon a restart from a stop.
func (r *rig) tellsRestart() {
	r.t.Helper()
	text := strings.Replace(configText(r.backend, r.table, web), "[bgp]\n", "[bgp]\ngraceful_restart = \"5s\"\n", 1)
	if err := r.host.Put(conf, hosts.File{Content: text, Mode: 0o644}); err != nil {
		r.t.Fatal(err)
	}
	r.do("systemctl reload stentor")
	for _, tt := range []struct{ command, says, saysNot string }{
		{"systemctl restart stentor", "leaving the routes announced", "withdrew every route"},
		{"systemctl try-restart stentor", "leaving the routes announced", "withdrew every route"},
		{"systemctl stop stentor", "withdrew every route", "leaving the routes announced"},
	} {
		now := strings.TrimSpace(r.do("date '+%F %T.%N'"))
		r.do(tt.command)
		// By its identifier: of a process's last words the journal may not learn any
		// more which unit they were of.
		var log string
		r.eventually(tt.command+" says "+tt.says, func() bool {
			log = r.do("journalctl --sync; journalctl -b -t stentor -o cat --since '" + now + "'")
			return strings.Contains(log, tt.says)
		})
		if strings.Contains(log, tt.saysNot) {
			r.t.Errorf("%s: %q is in the log:\n%s", tt.command, tt.saysNot, log)
		}
	}
	r.config(web)
	r.do("systemctl start stentor")
}
