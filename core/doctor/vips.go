package doctor

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
)

// places looks at where each VIP stands by now. That one stands nowhere is no
// finding: it may be added yet.
func (x *exam) places() {
	for _, v := range x.Config.VIPs {
		object := "vip " + v.Name
		if v.Link == x.View.Uplink4 || v.Link == x.View.Uplink6 {
			x.add(Warning, object, fmt.Sprintf("its link %s is the uplink: every host that holds it answers neighbours there, and IPv6 may find a duplicate", v.Link),
				fmt.Sprintf("set link = \"lo\" in [vip.%s]", v.Name))
		}
		for _, a := range x.View.Addrs[v.Addr] {
			x.place(object, v, a)
		}
	}
}

func (x *exam) place(object string, v config.VIP, a host.Addr) {
	want := netip.PrefixFrom(v.Addr, v.Addr.BitLen())
	remove := fmt.Sprintf("ip address del %s dev %s, and take it out of what put it there", a.Prefix, a.Link)
	if a.Link != v.Link {
		where := a.Link
		if a.Link == x.View.Uplink4 || a.Link == x.View.Uplink6 {
			where = "the uplink " + a.Link
		}
		x.add(Warning, object, fmt.Sprintf("%s stands on %s, the config says %s", v.Addr, where, v.Link), remove)
	}
	switch {
	case a.Prefix == want:
	case x.View.Links[a.Link].Loopback:
		x.add(Warning, object, fmt.Sprintf("%s on %s makes all of %s this host's own: it reaches none of it through the network",
			a.Prefix, a.Link, a.Prefix.Masked()), fmt.Sprintf("replace it by %s; what is announced does not depend on it", want))
	default:
		x.add(Warning, object, fmt.Sprintf("%s is %s's own address in %s, and will not move to another host with its route",
			v.Addr, a.Link, a.Prefix.Masked()), "share an address that belongs to no host")
	}
	if a.Dynamic {
		x.add(Warning, object, fmt.Sprintf("%s has a lifetime on %s: DHCP or a router advertisement gave it, and may take it away", v.Addr, a.Link),
			"share an address that belongs to no host")
	}
	if !a.Usable {
		x.add(Problem, object, fmt.Sprintf("%s on %s is tentative or a duplicate (RFC 4862 §5.4)", v.Addr, a.Link), remove)
	}
}

// networkFiles are where other tools are told to add addresses.
var networkFiles = []string{
	"etc/netplan/*.yaml",
	"etc/network/interfaces",
	"etc/network/interfaces.d/*",
	"etc/systemd/network/*.network",
	"etc/systemd/network/*.network.d/*.conf",
	"etc/NetworkManager/system-connections/*.nmconnection",
	"etc/sysconfig/network-scripts/ifcfg-*",
	"etc/keepalived/*.conf",
}

// networkFileMax is the most that is read of one such file, in bytes.
const networkFileMax = 1 << 20

// copies: an address that another tool adds too comes and goes by that tool's
// will.
func (x *exam) copies() {
	for _, pattern := range networkFiles {
		found, err := fs.Glob(x.Files, pattern)
		if err != nil {
			continue // only a bad pattern is an error
		}
		for _, name := range found {
			x.copiesIn(name)
		}
	}
}

func (x *exam) copiesIn(name string) {
	st, err := fs.Stat(x.Files, name)
	if err != nil || !st.Mode().IsRegular() || st.Size() > networkFileMax {
		return
	}
	b, err := fs.ReadFile(x.Files, name)
	if err != nil || isOurs(name, b) {
		return
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, networkFileMax)
	for n := 1; lines.Scan(); n++ {
		for _, a := range addresses(lines.Text()) {
			if vip, ok := x.shared[a]; ok {
				x.add(Warning, "vip "+vip, fmt.Sprintf("%s stands in /%s:%d too", a, name, n),
					"take it out there, so that one tool alone looks after it")
			}
		}
	}
}

// isOurs tells a file that a network backend of ours wrote: its head names us.
func isOurs(name string, b []byte) bool {
	head := bytes.ToLower(b[:min(len(b), 256)])
	return strings.Contains(path.Base(name), "stentor") || bytes.Contains(head, []byte("stentor"))
}

// addresses finds the IP addresses in a line that is no comment, with or
// without a prefix length.
func addresses(line string) []netip.Addr {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") || strings.HasPrefix(line, "!") {
		return nil
	}
	var all []netip.Addr
	for _, word := range strings.FieldsFunc(line, func(c rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF:.", c) }) {
		// "address:" and "2001:db8::1:" leave a colon at the end of the word.
		for _, w := range slices.Compact([]string{word, strings.TrimSuffix(word, ":")}) {
			if a, err := netip.ParseAddr(w); err == nil {
				all = append(all, a)
				break
			}
		}
	}
	return all
}
