package hosts_test

import (
	"strings"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// routeServer is BIRD at the other end of a host's eth0, which takes whatever
// the AS 64500 says. It needs the package bird2.
var routeServer = map[string]hosts.File{
	"/etc/bird/bird.conf": {Mode: 0o644, Content: `router id ` + hosts.Gateway4 + `;
protocol device {}
protocol bgp host {
	local ` + hosts.Gateway4 + ` as 64496;
	neighbor ` + strings.TrimSuffix(hosts.Uplink4, "/24") + ` as 64500;
	password "` + sessionKey + `";
	ipv4 { import all; export none; };
	ipv6 { import all; export none; };
}
`},
	"/etc/systemd/system/bird.service.d/far.conf": {Mode: 0o644, Content: `[Unit]
After=wiring.service
[Service]
NetworkNamespacePath=/run/netns/far
`},
}

// sessionKey is the TCP-MD5 key of the session. It must show up nowhere.
const sessionKey = "correct horse battery staple"

// learned are the prefixes that the route server has from a host.
func learned(r *rig) []string {
	r.t.Helper()
	var prefixes []string
	for line := range strings.Lines(r.do("birdc show route")) {
		if f := strings.Fields(line); len(f) > 0 && strings.Contains(f[0], "/") {
			prefixes = append(prefixes, f[0])
		}
	}
	return prefixes
}
