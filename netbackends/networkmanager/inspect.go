package networkmanager

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/inspect"
	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/plugins"
)

// The kinds of findings.
const (
	codeKeyfileMode plugins.Code = "nm-keyfile-mode"
	codeUnmanaged   plugins.Code = "nm-unmanaged"
	codeNoDummy     plugins.Code = "no-dummy"
	codeNetplanLo   plugins.Code = "netplan-lo-by-nm"
)

// Inspect implements plugins.Inspector. What netplan renders for NetworkManager
// stands in netplan's files.
func (b *Backend) Inspect(ctx context.Context, want []plugins.VIP) ([]plugins.Finding, error) {
	found, err := inspect.Files(ctx, b.root, b.Observe, want, detect.NetworkManager, detect.Netplan)
	if err != nil {
		return nil, err
	}
	root := os.DirFS("/")
	if b.root != "" {
		root = os.DirFS(b.root)
	}
	if b.device.own() {
		// Ours are not on lo.
		found = slices.DeleteFunc(found, func(f plugins.Finding) bool { return f.Code == inspect.CodeLoProfile })
		found = append(found, noDummy(root)...)
	}
	found = append(found, keyfileModes(root)...)
	found = append(found, unmanaged(root, b.device)...)
	return append(found, netplanLo(root)...), nil
}

// keyfileModes: NetworkManager ignores a profile that others can read, and says
// so in its log only.
func keyfileModes(root fs.FS) []plugins.Finding {
	var all []plugins.Finding
	for _, n := range netfiles.Shadowed(root, []string{"etc/NetworkManager/system-connections"}, "*") {
		if st, err := fs.Stat(root, n); err == nil && st.Mode().IsRegular() && st.Mode()&0o077 != 0 && !strings.HasSuffix(n, "~") {
			all = append(all, plugins.Finding{
				Code: codeKeyfileMode, Severity: plugins.SeverityWarning, Object: "NetworkManager", Path: "/" + n,
				Message: "NetworkManager ignores this profile, as others than root can read it", Hint: "chmod 600 /" + n + "; nmcli con reload",
			})
		}
	}
	return all
}

// netplanLo: netplan has NetworkManager treat lo as an Ethernet device, empties
// it, and NetworkManager then leaves it so.
func netplanLo(root fs.FS) []plugins.Finding {
	var all []plugins.Finding
	for _, a := range netfiles.On(loopback.link, netfiles.Netplan(root)) {
		all = append(all, plugins.Finding{
			Code: codeNetplanLo, Severity: plugins.SeverityWarning, Object: "netplan", Path: a.Path, Line: a.Line,
			Message: "with NetworkManager as renderer, netplan apply takes 127.0.0.1 and ::1 off lo until the next reboot because of this, and does not set the address",
			Hint:    "delete lo from netplan's files, and do not run netplan apply before; Stentor has the address on " + dummy.link,
		})
	}
	return all
}

// unmanaged: a device that NetworkManager is told to leave alone gets no
// profile (NetworkManager.conf(5)).
func unmanaged(root fs.FS, d device) []plugins.Finding {
	var value, at string
	line := 0
	names := netfiles.Shadowed(root, []string{"etc/NetworkManager/conf.d", "run/NetworkManager/conf.d", "usr/lib/NetworkManager/conf.d"}, "*.conf")
	for _, n := range append([]string{"etc/NetworkManager/NetworkManager.conf"}, names...) {
		if v, l := netfiles.Setting(root, n, "keyfile", "unmanaged-devices"); l > 0 {
			value, at, line = v, "/"+n, l
		}
	}
	matches := false
	for _, spec := range strings.FieldsFunc(value, func(c rune) bool { return c == ';' || c == ',' }) {
		spec, except := strings.CutPrefix(strings.TrimSpace(spec), "except:")
		if !d.is(spec) {
			continue
		}
		if matches = !except; except {
			break // goes before all others
		}
	}
	if !matches {
		return nil
	}
	return []plugins.Finding{{
		Code: codeUnmanaged, Severity: plugins.SeverityProblem, Object: "NetworkManager", Path: at, Line: line,
		Message: fmt.Sprintf("unmanaged-devices has NetworkManager leave %s alone, so no shared IP comes up on it", d.link),
		Hint:    fmt.Sprintf("add except:interface-name:%s to it, then: systemctl reload NetworkManager", d.link),
	}}
}

// is tells whether one match of a list of devices is for d.
func (d device) is(spec string) bool {
	if kind, ok := strings.CutPrefix(spec, "type:"); ok {
		return kind == d.kind
	}
	name := strings.TrimPrefix(spec, "interface-name:")
	ok, _ := path.Match(strings.TrimPrefix(name, "="), d.link) // a bad pattern matches nothing
	return ok
}

// noDummy: a kernel can be built without dummy devices. Without its list of
// modules, as in a container, that can't be told.
func noDummy(root fs.FS) []plugins.Finding {
	release, err := fs.ReadFile(root, "proc/sys/kernel/osrelease")
	if err != nil {
		return nil
	}
	dir := path.Join("lib/modules", strings.TrimSpace(string(release)))
	modules, err := fs.ReadFile(root, dir+"/modules.dep")
	if err != nil {
		return nil
	}
	builtin, _ := fs.ReadFile(root, dir+"/modules.builtin") // not there: nothing is
	if bytes.Contains(modules, []byte("/dummy.ko")) || bytes.Contains(builtin, []byte("/dummy.ko")) {
		return nil
	}
	return []plugins.Finding{{
		Code: codeNoDummy, Severity: plugins.SeverityProblem, Object: "kernel",
		Message: fmt.Sprintf("this kernel has no dummy devices, and NetworkManager needs one for shared IPs (%s)", dummy.link),
		Hint:    `install the kernel's full set of modules, or set device = "lo" in [backend.networkmanager] (NetworkManager 1.42 or newer)`,
	}}
}
