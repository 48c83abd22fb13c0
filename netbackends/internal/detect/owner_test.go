package detect_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
)

var stacks = []detect.Stack{detect.Netplan, detect.Networkd, detect.NetworkManager, detect.Ifupdown}

// host is a description of a host from which a detect.Host is made.
type host struct {
	files     map[string]string
	uplink    string // "eth0 3"
	names     []string
	nm        detect.NMState
	commands  map[string]string
	elsewhere bool
}

func (h host) host() detect.Host {
	files := fstest.MapFS{}
	for name, text := range h.files {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return detect.Host{
		Files: files,
		Uplink: func() (detect.Link, error) {
			if h.uplink == "" {
				return detect.Link{}, nil
			}
			return detect.Link{Name: h.uplink, Index: 3}, nil
		},
		Elsewhere: func() bool { return h.elsewhere },
		NameOwned: func(_ context.Context, name string) bool {
			for _, n := range h.names {
				if n == name {
					return true
				}
			}
			return false
		},
		NMDevice: func(context.Context, string) (detect.NMState, error) { return h.nm, nil },
		Run: func(_ context.Context, name string, args ...string) (string, error) {
			out, ok := h.commands[strings.Join(append([]string{name}, args...), " ")]
			if !ok {
				return "", errors.New("no such command")
			}
			return out, nil
		},
	}
}

const (
	nmName  = "org.freedesktop.NetworkManager"
	ndName  = "org.freedesktop.network1"
	link3   = "run/systemd/netif/links/3"
	link1   = "run/systemd/netif/links/1"
	classic = "ifup version 0.8.41\nmore\n"
)

func TestOwner(t *testing.T) {
	tests := []struct {
		name string
		host host
		fits []string // "STACK SCORE"
		say  string   // in Why of the first, or of For(ask)
		ask  detect.Stack
	}{
		{name: "netplan with renderer NetworkManager", fits: []string{"networkmanager 95"}, ask: detect.Netplan,
			say: "netplan's renderer is NetworkManager: the networkmanager backend serves it",
			host: host{uplink: "eth0", names: []string{nmName},
				nm: detect.NMState{Managed: true, Profile: "/run/NetworkManager/system-connections/netplan-eth0.nmconnection", Version: "1.42.4"}}},
		{name: "NetworkManager", fits: []string{"networkmanager 95"}, say: "NetworkManager manages uplink eth0 by /etc/NetworkManager/system-connections/eth0.nmconnection",
			host: host{uplink: "eth0", names: []string{nmName}, nm: detect.NMState{Managed: true, Profile: "/etc/NetworkManager/system-connections/eth0.nmconnection"}}},
		{name: "netplan with renderer networkd", fits: []string{"netplan 95"}, say: "renderer networkd active, uplink eth0 in /run/systemd/network/10-netplan-eth0.network",
			host: host{uplink: "eth0", names: []string{ndName}, files: map[string]string{link3: "ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/10-netplan-eth0.network\n"}}},
		{name: "networkd", fits: []string{"networkd 95"}, say: "systemd-networkd has uplink eth0 by /etc/systemd/network/20-eth0.network",
			host: host{uplink: "eth0", names: []string{ndName}, files: map[string]string{link3: "ADMIN_STATE=configuring\nNETWORK_FILE=/etc/systemd/network/20-eth0.network\n"}}},
		{name: "networkd without a bus", fits: []string{"networkd 95"}, say: "systemd-networkd has uplink eth0",
			host: host{uplink: "eth0", files: map[string]string{link3: "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/20-eth0.network\n",
				"sys/fs/cgroup/system.slice/systemd-networkd.service/cgroup.procs": "77\n"}}},
		{name: "another container's networkd", fits: nil, ask: detect.Networkd, say: "no sign of it",
			host: host{uplink: "eth0", files: map[string]string{link3: "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/20-eth0.network\n",
				"sys/fs/cgroup/systemd/system.slice/systemd-networkd.service/cgroup.procs": "0\n0\n"}}},
		{name: "networkd's state outlived it", fits: []string{"ifupdown 90"}, say: "uplink eth0 in /run/network/ifstate (ifup version 0.8.41)",
			host: host{uplink: "eth0", files: map[string]string{link3: "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/20-eth0.network\n", "run/network/ifstate": "lo=lo\neth0=eth0\n"},
				commands: map[string]string{"ifup --version": classic}}},
		{name: "networkd's default file, and ifupdown brought it up", fits: []string{"ifupdown 90", "networkd 80"},
			host: host{uplink: "eth0", names: []string{ndName}, files: map[string]string{link3: "ADMIN_STATE=configured\nNETWORK_FILE=/usr/lib/systemd/network/80-container-host0.network\n", "run/network/ifstate": "eth0=eth0\n"},
				commands: map[string]string{"ifup --version": classic}}},
		{name: "NetworkManager with Debian's managed=false", fits: []string{"ifupdown 90"},
			host: host{uplink: "eth0", names: []string{nmName}, files: map[string]string{"run/network/ifstate": "eth0=eth0\n"}, commands: map[string]string{"ifup --version": classic}}},
		{name: "ifupdown-ng", fits: []string{"ifupdown 90"}, say: "/run/ifstate (ifupdown-ng 0.11.3)",
			host: host{uplink: "eth0", files: map[string]string{"run/ifstate": "lo=lo 1\neth0=eth0 1\n"}, commands: map[string]string{"ifup --version": "ifupdown-ng 0.11.3\n"}}},
		{name: "ifupdown2", fits: []string{"ifupdown 80"}, say: "networking.service active, ifquery lists uplink eth0 (ifupdown2:3.0.0-1.1)",
			host: host{uplink: "eth0", commands: map[string]string{"ifup --version": "ifupdown2:3.0.0-1.1\n", "systemctl is-active networking.service": "active\n", "ifquery --list": "lo\neth0\n"}}},
		{name: "both daemons, the uplink NetworkManager's", fits: []string{"networkmanager 95"},
			host: host{uplink: "eth0", names: []string{nmName, ndName}, nm: detect.NMState{Managed: true}, files: map[string]string{link3: "ADMIN_STATE=unmanaged\n"}}},
		{name: "both daemons claim the uplink", fits: []string{"networkmanager 95", "networkd 95"},
			host: host{uplink: "eth0", names: []string{nmName, ndName}, nm: detect.NMState{Managed: true}, files: map[string]string{link3: "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/20-eth0.network\n"}}},
		{name: "nobody has the uplink, networkd has lo", fits: []string{"netplan 60"},
			host: host{uplink: "eth0", names: []string{ndName}, files: map[string]string{link1: "ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/10-netplan-lo.network\n"}}},
		{name: "wicked", fits: nil, ask: detect.Networkd, say: "wicked runs this host's network, and no backend drives it",
			host: host{uplink: "eth0", names: []string{"org.opensuse.Network"}, files: map[string]string{"etc/netplan/1.yaml": "network: {}\n"}}},
		{name: "network-scripts", fits: nil, ask: detect.Ifupdown, say: "network-scripts runs",
			host: host{uplink: "eth0", files: map[string]string{"var/lock/subsys/network": "", "etc/sysconfig/network-scripts/ifcfg-eth0": "x"}}},
		{name: "dhcpcd and connman", fits: nil, ask: detect.Ifupdown, say: "connman,dhcpcd runs",
			host: host{uplink: "eth0", names: []string{"net.connman"}, files: map[string]string{"sys/fs/cgroup/system.slice/dhcpcd.service/cgroup.procs": "9\n"}}},
		{name: "files of netplan alone", fits: []string{"netplan 50"}, host: host{files: map[string]string{"etc/netplan/1.yaml": "network: {version: 2}\n", "etc/network/interfaces": "auto lo\niface lo inet loopback\n"}}},
		{name: "files of netplan for NetworkManager", fits: []string{"networkmanager 50"}, ask: detect.Netplan, say: "the networkmanager backend serves it",
			host: host{files: map[string]string{"etc/netplan/1.yaml": "network: {renderer: NetworkManager}\n", "etc/NetworkManager/system-connections/x.nmconnection": "x"}}},
		{name: "files of two", fits: []string{"netplan 50", "ifupdown 50"}, host: host{files: map[string]string{"etc/netplan/1.yaml": "network: {}\n", "etc/network/interfaces": "iface eth0 inet dhcp\n"}}},
		{name: "a YAML that does not parse", fits: []string{"netplan 50"}, host: host{files: map[string]string{"etc/netplan/1.yaml": "\t"}}},
		{name: "bare", fits: nil, ask: detect.Netplan, say: "no sign of it on this host", host: host{uplink: "eth0", commands: map[string]string{"ifup --version": classic}}},
		{name: "networkd has it, and NetworkManager shows it as external", fits: []string{"networkd 95"},
			host: host{uplink: "eth0", names: []string{nmName, ndName}, nm: detect.NMState{Managed: true, External: true, Profile: "/run/NetworkManager/system-connections/eth0.nmconnection"},
				files: map[string]string{link3: "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/20-eth0.network\n"}}},
		{name: "NetworkManager alone, and external", fits: []string{"networkmanager 80"}, say: "shows uplink eth0 as others set it up",
			host: host{uplink: "eth0", names: []string{nmName}, nm: detect.NMState{Managed: true, External: true}}},
		{name: "another network namespace", fits: nil, host: host{elsewhere: true, uplink: "eth0", names: []string{nmName}, nm: detect.NMState{Managed: true}, files: map[string]string{"etc/netplan/1.yaml": "x: y\n"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			view, err := tt.host.host().Look(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			verdict := detect.Owner(view)
			var fits []string
			for _, f := range verdict.Fits {
				fits = append(fits, string(f.Stack)+" "+strconv.Itoa(f.Score))
			}
			if d := cmp.Diff(tt.fits, fits); d != "" {
				t.Errorf("%s\n(-want +got):\n%s", verdict.Line(), d)
			}
			why := verdict.For(tt.ask).Why
			if tt.ask == "" && len(verdict.Fits) > 0 {
				why = verdict.Fits[0].Why
			}
			if !strings.Contains(why, tt.say) {
				t.Errorf("why %q, want %q", why, tt.say)
			}
			for _, s := range stacks {
				d := verdict.For(s)
				if d.Why == "" || len(d.Signals) == 0 {
					t.Errorf("%s: %+v lacks a reason", s, d)
				}
			}
		})
	}
}

func TestLine(t *testing.T) {
	view, err := host{uplink: "eth0", names: []string{ndName}, files: map[string]string{link3: "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/20-eth0.network\n"},
		commands: map[string]string{"ifup --version": classic}}.host().Look(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	const want = "[uplink=eth0 netns=init nm=no nm-managed=no networkd=configured networkd-file=/etc/systemd/network/20-eth0.network " +
		"networkd-lo=none ifupdown=ifup version 0.8.41 ifstate=no unsupported=none files=none]"
	if got := detect.Owner(view).Line(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// FuzzFiles gives any content to the files that are read.
func FuzzFiles(f *testing.F) {
	f.Add("network: {renderer: NetworkManager}\n", "iface eth0 inet dhcp\n", "ADMIN_STATE=configured\nNETWORK_FILE=/x\n")
	f.Fuzz(func(t *testing.T, netplan, interfaces, state string) {
		h := host{uplink: "eth0", names: []string{ndName}, files: map[string]string{"etc/netplan/1.yaml": netplan, "etc/network/interfaces": interfaces, link3: state}}
		view, err := h.host().Look(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if v := detect.Owner(view); v.Line() == "" {
			t.Error("no signals")
		}
	})
}
