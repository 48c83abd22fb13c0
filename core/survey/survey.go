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
	Provider     string // empty: unknown
	Cloud        string // why that provider, in words
	Region       string // its slug at Linode
	ASN          uint32 // ours; 0: unknown, or the provider says it
	Peers        []Peer // those that the metadata names
	VIPs         []VIP
	Role         string
	Uplink       string
	RouterID     netip.Addr
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
	f.Provider, f.Cloud = cloud(in.Files)
	for _, a := range in.Addresses {
		f.add(a, "")
	}
	if in.Metadata != nil && f.Provider != "" {
		if err := in.Metadata.ask(ctx, &f); err != nil {
			f.Trouble = append(f.Trouble, "the metadata service: "+err.Error())
		}
	}
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

// maxVIPs is how many shared IPs are written: who has more has other tools.
const maxVIPs = 100

// add takes a shared IP in that a config can have, and once.
func (f *Facts) add(p netip.Prefix, why string) {
	a := p.Addr()
	if !a.IsGlobalUnicast() || a.Is4In6() || a.Is4() && p.Bits() != 32 || a.Is6() && p.Bits() < 48 || len(f.VIPs) == maxVIPs {
		return
	}
	for _, v := range f.VIPs {
		if v.Address.Masked() == p.Masked() || v.Address.Addr() == a {
			return
		}
	}
	f.VIPs = append(f.VIPs, VIP{p, why})
}

// cloud recognises a provider by what the firmware says (DMI, SMBIOS type 1).
func cloud(files fs.FS) (provider, why string) {
	b, err := fs.ReadFile(files, "sys/class/dmi/id/sys_vendor")
	if err != nil {
		return "", ""
	}
	switch vendor := strings.TrimSpace(string(b[:min(len(b), 64)])); vendor {
	case "Linode", "Akamai":
		return "linode", "the firmware's vendor is " + vendor
	case "Vultr":
		return "vultr", "the firmware's vendor is " + vendor
	}
	return "", ""
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
