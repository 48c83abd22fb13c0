// Package survey looks at a host and writes the config that fits it, for a
// person to finish.
package survey

import (
	"context"
	"io/fs"
	"net/netip"
	"strings"

	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/migrate"
)

// Input is what the looking starts with.
type Input struct {
	Files    fs.FS // the root of the host
	View     host.View
	Metadata *Metadata // of the cloud; nil: it is not asked
	// Network is the network backend that fits, and what speaks for it; without a
	// name Why says what is in the way.
	Network, Why string
	// Addresses and Role are what the caller knows already.
	Addresses []netip.Prefix
	Role      string
}

// Facts are what was found.
type Facts struct {
	Network, Why string
	Vendor       string         // who made this machine, by its firmware (DMI); empty: it does not say
	Provider     string         // empty: unknown
	Cloud        string         // why that provider, in words
	Region       string         // its slug at Linode
	ASN          uint32         // ours; 0: unknown, or the provider says it
	Peers        []Peer         // those that the metadata names
	Given        []netip.Prefix // all addresses that the cloud names as this host's, or shared with it
	VIPs         []VIP
	Role         string
	Uplink       string
	RouterID     netip.Addr
	Key          bool // there is a BGP password already
	Others       []Other
	Trouble      []string // what could not be asked
}

// Peer is a BGP peer that the cloud names.
type Peer struct {
	Name string // as the provider's own data calls it
	Addr netip.Addr
	ASN  uint32
}

// VIP is a shared IP, and how it is known to be one.
type VIP struct {
	Address netip.Prefix
	Why     string
}

// Other is a program on this host that announces or moves addresses.
type Other struct{ Name, Path string }

// Look gathers the facts. It changes nothing.
func Look(ctx context.Context, in Input) Facts {
	f := Facts{Network: in.Network, Why: in.Why, Role: in.Role, Others: others(in.Files)}
	for _, a := range in.Addresses {
		f.add(a, "")
	}
	f.askCloud(ctx, in.Files, in.Metadata)
	_, err := fs.Stat(in.Files, strings.TrimPrefix(keyFile, "/"))
	f.Key = err == nil
	found, _ := migrate.Lelastic{}.Find(in.View, netip.Addr{}) // those on lo
	for _, a := range found {
		f.add(a.Stands, "it stands on lo")
	}
	f.Uplink = in.View.Uplink4
	if f.Uplink == "" {
		f.Uplink = in.View.Uplink6
	}
	f.RouterID, _ = in.View.OwnIPv4(func(a netip.Addr) bool {
		for _, v := range f.VIPs {
			if v.Address.Contains(a) {
				return true
			}
		}
		return false
	})
	return f
}

// Cloud is what Look finds of the cloud alone. It sends something only with a
// Metadata, and where the firmware names a cloud that has such a service.
func Cloud(ctx context.Context, files fs.FS, m *Metadata) Facts {
	var f Facts
	f.askCloud(ctx, files, m)
	return f
}

func (f *Facts) askCloud(ctx context.Context, files fs.FS, m *Metadata) {
	f.Vendor = vendor(files)
	if f.Provider = byVendor[f.Vendor]; f.Provider == "" {
		return
	}
	f.Cloud = "the firmware's vendor is " + f.Vendor
	if m == nil {
		return
	}
	if err := m.ask(ctx, f); err != nil {
		f.Trouble = append(f.Trouble, "the metadata service: "+err.Error())
	}
}

// maxVIPs is how many shared IPs are written: who has more has other tools.
const maxVIPs = 100

// add takes a shared IP in that a config can have, and once.
func (f *Facts) add(p netip.Prefix, why string) {
	a := p.Addr()
	if !usable(p) || len(f.VIPs) == maxVIPs {
		return
	}
	for _, v := range f.VIPs {
		if v.Address.Masked() == p.Masked() || v.Address.Addr() == a {
			return
		}
	}
	f.VIPs = append(f.VIPs, VIP{p, why})
}

// usable tells what a config can have as a shared IP.
func usable(p netip.Prefix) bool {
	a := p.Addr()
	return a.IsGlobalUnicast() && !a.Is4In6() && (a.Is4() && p.Bits() == 32 || a.Is6() && p.Bits() >= 48)
}

// byVendor are the providers whose machines name themselves.
var byVendor = map[string]string{"Linode": "linode", "Akamai": "linode", "Vultr": "vultr"}

// vendor is who made the machine (DMI, SMBIOS type 1).
func vendor(files fs.FS) string {
	b, err := fs.ReadFile(files, "sys/class/dmi/id/sys_vendor")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b[:min(len(b), 64)]))
}

// others looks for programs that do what Stentor does.
func others(files fs.FS) []Other {
	var all []Other
	for _, o := range []struct{ name, path, has string }{
		{"lelastic", "etc/systemd/system/lelastic.service", "lelastic"},
		{"lelastic", "lib/systemd/system/lelastic.service", "lelastic"},
		{"frr", "etc/frr/frr.conf", "router bgp"},
		{"frr", "etc/frr/bgpd.conf", "router bgp"},
		{"bird", "etc/bird/bird.conf", "protocol bgp"},
		{"bird", "etc/bird.conf", "protocol bgp"},
		{"keepalived", "etc/keepalived/keepalived.conf", "vrrp_"},
	} {
		if contains(files, o.path, o.has) {
			all = append(all, Other{o.name, "/" + o.path})
		}
	}
	return all
}

// contains tells whether a line that is no comment has that text.
func contains(files fs.FS, path, text string) bool {
	f, err := files.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := migrate.Read(f, path)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, text) && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "!") {
			return true
		}
	}
	return false
}
