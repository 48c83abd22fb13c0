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

	"github.com/stentor-net/stentor/plugins"
)

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

// stack takes over what the network backend found.
func (x *exam) stack() {
	for _, f := range x.Stack {
		x.findings = append(x.findings, Finding{Severity(f.Severity), f.Object, f.Message, f.Hint, f.Path, f.Line})
	}
}

// copies: an address that another tool adds too comes and goes by that tool's
// will. What the network backend said of a file goes before what a search for
// the address's text finds in it.
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
	told := func(vip string) bool {
		return slices.ContainsFunc(x.Stack, func(f plugins.Finding) bool { return f.Path == "/"+name && f.Object == "vip "+vip })
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, networkFileMax)
	for n := 1; lines.Scan(); n++ {
		for _, a := range addresses(lines.Text()) {
			if vip, ok := x.shared[a]; ok && !told(vip) {
				x.findings = append(x.findings, Finding{Warning, "vip " + vip, fmt.Sprintf("%s stands here too", a),
					"take it out, so that one tool alone looks after it", "/" + name, n})
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
