package networkmanager

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	// profileID is the name of our profile, and of its file.
	profileID = "stentor"
	// markKey marks a profile as ours. Its value is the checksum of the rest,
	// which tells whether somebody edited it since.
	markKey = "stentor.managed"
	// fileName is where NetworkManager puts it, and where it is written
	// without NetworkManager.
	fileName = "/etc/NetworkManager/system-connections/" + profileID + ".nmconnection"
)

// profile is what we decide of a connection profile; the rest is
// NetworkManager's defaults.
type profile struct {
	device device
	addrs  []netip.Addr // sorted
}

func newProfile(d device, addrs []netip.Addr) profile {
	slices.SortFunc(addrs, netip.Addr.Compare)
	return profile{d, addrs}
}

// settings are for NetworkManager's D-Bus methods.
func (p profile) settings() settings {
	s := p.unmarked()
	s["user"] = map[string]any{"data": map[string]string{markKey: checksum(s.keyfile())}}
	return s
}

// keyfile is for its folder.
func (p profile) keyfile() keyfile { return p.settings().keyfile() }

func (p profile) unmarked() settings {
	v4, v6 := p.family(netip.Addr.Is4), p.family(netip.Addr.Is6)
	options := p.device.options
	if options == nil {
		options = map[string]any{} // the setting must be there, if only empty
	}
	return settings{
		"connection": {
			"id": profileID, "uuid": p.device.uuid, "type": p.device.kind,
			"interface-name": p.device.link,
		},
		p.device.kind: options,
		"ipv4":        v4,
		"ipv6":        v6,
	}
}

// family is the ipv4 or ipv6 setting. never-default keeps NetworkManager from
// ever taking the device for the host's way out.
func (p profile) family(is func(netip.Addr) bool) map[string]any {
	s := map[string]any{"method": p.device.idleMethod(), "never-default": true}
	var data []map[string]any
	for _, a := range p.addrs {
		if is(a) {
			data = append(data, map[string]any{"address": a.String(), "prefix": uint32(a.BitLen())})
		}
	}
	if len(data) > 0 {
		s["method"], s["address-data"] = "manual", data
	}
	return s
}

// reading is what a stored profile says.
type reading struct {
	text   keyfile // canonical
	ours   bool
	edited bool // ours, and changed since by somebody else
	id     string
	uuid   string
	link   string
	addrs  []netip.Addr // of host length; sorted
}

func read(k keyfile) reading {
	r := reading{text: k.canonical()}
	r.id, _ = r.text.get("connection", "id")
	r.uuid, _ = r.text.get("connection", "uuid")
	r.link, _ = r.text.get("connection", "interface-name")
	sum, marked := r.text.get("user", markKey)
	r.ours = marked
	r.edited = marked && sum != checksum(r.text)
	for _, s := range r.text {
		if s.name != "ipv4" && s.name != "ipv6" {
			continue
		}
		for _, p := range s.keys {
			if stem, n := splitNumber(p.key); stem != "address" || n == 0 {
				continue
			}
			value, _, _ := strings.Cut(p.value, ",") // a gateway may follow
			if prefix, err := netip.ParsePrefix(value); err == nil && prefix.IsSingleIP() {
				r.addrs = append(r.addrs, prefix.Addr())
			}
		}
	}
	slices.SortFunc(r.addrs, netip.Addr.Compare)
	return r
}

// checksum is over a canonical profile without its mark.
func checksum(k keyfile) string {
	bare := slices.Clone(k)
	for i, s := range bare {
		if s.name == "user" {
			s.keys = slices.DeleteFunc(slices.Clone(s.keys), func(p pair) bool { return p.key == markKey })
			bare[i] = s
		}
	}
	sum := sha256.Sum256(bare.canonical().bytes())
	return hex.EncodeToString(sum[:])
}

func hostLength(a netip.Addr) string { return a.String() + "/" + strconv.Itoa(a.BitLen()) }
