package hosts_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// finding is what check says of a host.
type finding struct{ Code, Severity, Object, Message, Hint, Path string }

// findings asks check, and looks that it leaves no trace.
func (r *rig) findings() []finding {
	r.t.Helper()
	res, err := r.host.Exec(context.Background(), "stentor check --json")
	if err != nil {
		r.t.Fatal(err)
	}
	var checked struct{ Host []finding }
	if err := json.Unmarshal([]byte(res.Stdout), &checked); err != nil {
		r.t.Fatalf("stentor check --json: %v\n%s", err, res)
	}
	bad := slices.ContainsFunc(checked.Host, func(f finding) bool { return f.Severity == "problem" })
	if want := map[bool]int{false: 0, true: 4}[bad]; res.Code != want {
		r.t.Errorf("want exit %d, got %s", want, res)
	}
	for _, f := range checked.Host {
		if f.Code == "" || strings.Contains(f.Message+f.Hint, "\n") {
			r.t.Errorf("without a code, or on several lines: %+v", f)
		}
	}
	return checked.Host
}

// planted are traps that a person may set on a stack, by the code that names
// them. Nothing reads the files while they are there.
func (r *rig) planted() map[string]struct {
	path string
	file hosts.File
} {
	type trap = struct {
		path string
		file hosts.File
	}
	all := map[string]trap{
		"sysctl-at-boot": {"/etc/sysctl.d/99-user.conf", hosts.File{Mode: 0o644, Content: "net.ipv6.conf.all.disable_ipv6 = 1\n"}},
	}
	switch r.backend {
	case "netplan":
		all["netplan-invalid"] = trap{"/etc/netplan/70-user.yaml", hosts.File{Mode: 0o600, Content: "network:\n  ethernets:\n    eth0:\n      addresses: [1.2.3.400/24]\n"}}
		all["netplan-mode"] = trap{"/etc/netplan/71-user.yaml", hosts.File{Mode: 0o644, Content: "network:\n  version: 2\n"}}
	case "networkd":
		all["networkd-unreadable"] = trap{"/etc/systemd/network/70-user.network", hosts.File{Mode: 0o600, Content: "[Match]\nName=nosuch0\n"}}
	case "ifupdown":
		if strings.Contains(r.first["/etc/network/interfaces"].Content, "source /etc/network/interfaces.d/*") {
			all["ifupdown-leftover"] = trap{"/etc/network/interfaces.d/user.dpkg-old", hosts.File{Mode: 0o644, Content: "iface nosuch0 inet dhcp\n"}}
		}
	case "networkmanager":
		all["nm-keyfile-mode"] = trap{"/etc/NetworkManager/system-connections/user.nmconnection", hosts.File{Mode: 0o644, Content: "[connection]\nid=user\ntype=dummy\ninterface-name=nosuch0\n"}}
		if r.profile == hosts.NetplanNM {
			all["netplan-lo-by-nm"] = trap{"/etc/netplan/70-user.yaml", hosts.File{Mode: 0o600, Content: "network:\n  ethernets:\n    lo: {addresses: [198.51.100.99/32]}\n"}}
		}
	}
	return all
}

// trapDoctor has check name what was set up wrong, and nothing else.
func trapDoctor(r *rig) {
	r.config(web, dns)
	for _, f := range r.findings() {
		if f.Severity != "note" {
			r.t.Errorf("nothing is wrong yet: %+v", f)
		}
	}
	for code, trap := range r.planted() {
		r.edit(trap.path, trap.file)
		found := r.findings()
		i := slices.IndexFunc(found, func(f finding) bool { return f.Code == code })
		if i < 0 {
			r.t.Errorf("nobody sees %s (%s): %+v", trap.path, code, found)
		} else if found[i].Path != trap.path {
			r.t.Errorf("%s is in %s, not in %s", code, trap.path, found[i].Path)
		}
		r.forget(trap.path)
	}
}

// trapInit writes a first config, which holds when what it names is filled in.
func trapInit(r *rig) {
	const draft = "/root/init/stentor.toml"
	said := r.stentor(4, "init --no-metadata --config "+draft+" --role primary --address "+web+"/32")
	for _, want := range []string{"wrote " + draft, "left to write: the AS number of this host", "left to write: a BGP peer"} {
		if !strings.Contains(said, want) {
			r.t.Errorf("init does not say %q:\n%s", want, said)
		}
	}
	text := r.do("cat " + draft)
	if want := "# " + r.backend + " fits: "; !strings.Contains(text, want) {
		r.t.Errorf("%q is not in the config:\n%s", want, text)
	}
	r.do("sed -i 's/^asn = 0/asn = 64500/; s/^address = \"\"/address = \"" + hosts.Gateway4 + "\"/' " + draft)
	r.stentor(0, "check --offline --config "+draft)
	if r.persists() { // others have no route to their peer
		r.stentor(0, "check --config "+draft)
	}
	r.stentor(3, "init --config "+draft) // it is there
	r.do("rm -r /root/init")
}
