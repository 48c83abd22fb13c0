package hosts_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/contrib/hosts"
	"github.com/stentor-net/stentor/contrib/lab"
)

// guideUnit is the unit of the vendor's guide.
const guideUnit = `[Unit]
Description=Lelastic
After=network-online.target
Wants=network-online.target
[Service]
Type=simple
ExecStart=/usr/local/bin/lelastic -dcid 10 -ROLE
ExecReload=/bin/kill -s HUP $MAINPID
[Install]
WantedBy=multi-user.target
`

// guideAddresses are the shared IPs where the vendor's guide has people put
// them, and the command that brings them up.
var guideAddresses = map[string]string{
	lab.HostA: `cat >>/etc/network/interfaces <<END
iface lo inet static
	address 198.18.0.1/32
iface lo inet6 static
	address 2001:db8:5a:1::1/64
END
ifdown lo && ip addr flush lo && ifup lo || true`,
	lab.HostB: `cat >/etc/netplan/90-shared.yaml <<END
network:
  version: 2
  ethernets:
    lo:
      match: {name: lo}
      addresses: [198.18.0.1/32, "2001:db8:5a:1::1/64"]
END
chmod 600 /etc/netplan/90-shared.yaml && netplan apply`,
}

// TestFromLelastic has two hosts as the vendor's guide makes them, and moves the
// primary to Stentor and back by the commands of our own guide.
func TestFromLelastic(t *testing.T) {
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	if _, err := os.Stat("/usr/lib/frr/bgpd"); err != nil {
		t.Skip("the route servers need the package frr")
	}
	const primary, secondary = "65000:1", "65000:2"
	p := newPair(t, lab.FRR, map[string]stack{
		lab.HostA: {suite: hosts.Bookworm, profile: hosts.Ifupdown, backend: "ifupdown"},
		lab.HostB: {suite: hosts.Bookworm, profile: hosts.Netplan, backend: "netplan"},
	})
	for host, role := range map[string]string{lab.HostA: "primary", lab.HostB: "secondary"} {
		if err := p.hosts[host].Put("/etc/systemd/system/lelastic.service", hosts.File{Content: guideUnit, Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		p.do(host, "rm /etc/stentor/stentor.toml; ln -s stentor /usr/local/bin/lelastic; sed -i s/-ROLE/-"+role+"/ /etc/systemd/system/lelastic.service")
		p.do(host, guideAddresses[host])
		p.do(host, "systemctl daemon-reload && systemctl enable --now lelastic")
	}
	p.announces(lab.HostA, primary)
	p.announces(lab.HostB, secondary)
	p.answers("lelastic's flags", lab.HostA)
	p.lossless("reload", lab.HostA, func() { p.do(lab.HostA, "systemctl reload lelastic") })
	before := p.do(lab.HostA, "cat /etc/network/interfaces; ls -R /etc/network; ip -o address show dev lo")

	p.do(lab.HostA, "mkdir -p /etc/stentor && stentor import lelastic >/etc/stentor/stentor.toml && stentor check --offline")
	p.lossless("to stentor", lab.HostA, func() {
		p.do(lab.HostA, "systemctl disable --now lelastic && systemctl start stentor")
		p.announces(lab.HostA, primary)
	})
	// The guide's /64 on lo is a problem that status names, so it exits with 4.
	if out := p.do(lab.HostA, "stentor status || [ $? = 4 ]"); !strings.Contains(out, "addresses by ifupdown") || strings.Count(out, "adopted: ") != 2 {
		t.Errorf("status does not say that both are adopted by ifupdown:\n%s", out)
	}
	p.lossless("back to lelastic", lab.HostA, func() {
		p.do(lab.HostA, "systemctl stop stentor && systemctl enable --now lelastic")
		p.announces(lab.HostA, primary)
	})
	p.announces(lab.HostB, secondary)
	if after := p.do(lab.HostA, "cat /etc/network/interfaces; ls -R /etc/network; ip -o address show dev lo"); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
}
