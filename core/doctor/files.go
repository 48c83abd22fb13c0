package doctor

import (
	"bytes"
	"cmp"
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
		x.findings = append(x.findings, Finding{cmp.Or(f.Code, CodeStack), Severity(f.Severity), f.Object, f.Message, f.Hint, f.Path, f.Line})
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
	rewritten := x.cloudInitWrites(b)
	for n, line := range linesOf(b) {
		for _, a := range addresses(line) {
			vip, ok := x.shared[a]
			if !ok {
				continue
			}
			at := place{"/" + name, n + 1}
			if rewritten {
				x.addAt(CodeCloudInit, Warning, "vip "+vip, fmt.Sprintf("cloud-init writes this file, from what the cloud tells it, and may do so at every boot: what is changed here by hand, as %s, comes back or goes", a),
					"write network: {config: disabled} into /etc/cloud/cloud.cfg.d/99-network.cfg, if the file is yours from now on", at)
			}
			if told(vip) {
				continue
			}
			message := fmt.Sprintf("%s stands here too", a)
			if strings.Contains(name, "keepalived") {
				message = fmt.Sprintf("keepalived adds and removes %s as well, by VRRP", a)
			}
			x.addAt(CodeCopy, Warning, "vip "+vip, message, "take it out, so that one tool alone looks after it", at)
		}
	}
}

// cloudInitWrites tells a file that cloud-init made, and may make again: its
// head says so, and nothing forbids it.
func (x *exam) cloudInitWrites(b []byte) bool {
	head := bytes.ToLower(b[:min(len(b), 512)])
	if !bytes.Contains(head, []byte("cloud-init")) && !bytes.Contains(head, []byte("from the datasource")) && !bytes.Contains(head, []byte("provided by the datasource")) {
		return false
	}
	configs, _ := fs.Glob(x.Files, "etc/cloud/cloud.cfg.d/*.cfg") // only a bad pattern is an error
	for _, name := range append(configs, "etc/cloud/cloud.cfg") {
		for _, line := range x.lines(name) {
			flat := strings.NewReplacer(" ", "", "\t", "", "{", "", "}", "", "\"", "", "'", "").Replace(line)
			if flat == "network:config:disabled" || flat == "config:disabled" {
				return false
			}
		}
	}
	return true
}

// lines are those of a file of a sane size, counted from 0; of any other there
// are none.
func (x *exam) lines(name string) []string {
	st, err := fs.Stat(x.Files, name)
	if err != nil || !st.Mode().IsRegular() || st.Size() > networkFileMax {
		return nil
	}
	b, err := fs.ReadFile(x.Files, name)
	if err != nil {
		return nil
	}
	return linesOf(b)
}

func linesOf(b []byte) []string { return strings.Split(string(b), "\n") }

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
