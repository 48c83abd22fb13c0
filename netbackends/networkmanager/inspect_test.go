package networkmanager

import (
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

func TestInspect(t *testing.T) {
	const (
		conf  = "etc/NetworkManager/NetworkManager.conf"
		local = "etc/NetworkManager/conf.d/50-local.conf"
		vars  = "usr/lib/NetworkManager/conf.d/10-globally-managed-devices.conf"
	)
	unmanagedBy := func(link, at string) []string {
		return []string{"nm-unmanaged problem " + at + ": unmanaged-devices has NetworkManager leave " + link + " alone, so no shared IP comes up on it | " +
			"add except:interface-name:" + link + " to it, then: systemctl reload NetworkManager"}
	}
	onDummy := func(f fstest.MapFS) []plugins.Finding { return unmanaged(f, dummy) }
	for _, tt := range []struct {
		name  string
		look  func(fstest.MapFS) []plugins.Finding
		files map[string]string
		mode  fs.FileMode
		want  []string
	}{
		{name: "nothing", look: onDummy},
		{name: "Ubuntu's default", look: onDummy, files: map[string]string{vars: "[keyfile]\nunmanaged-devices=*,except:type:wifi,except:type:gsm\n"}, want: unmanagedBy("stentor0", "/"+vars+":2")},
		{name: "and an exception of ours", look: onDummy, files: map[string]string{vars: "[keyfile]\nunmanaged-devices=*,except:type:wifi,except:interface-name:stentor0\n"}},
		{name: "and an exception of its type", look: onDummy, files: map[string]string{vars: "[keyfile]\nunmanaged-devices=*;except:type:dummy\n"}},
		{name: "and the admin's own", look: onDummy, files: map[string]string{vars: "[keyfile]\nunmanaged-devices=*\n", local: "[keyfile]\nunmanaged-devices=interface-name:docker*\n"}},
		{name: "by its type", look: onDummy, files: map[string]string{conf: "[main]\nplugins=keyfile\n[keyfile]\n\nunmanaged-devices = mac:00:11:22:33:44:55;type:dummy\n"}, want: unmanagedBy("stentor0", "/"+conf+":5")},
		{name: "by its name", look: func(f fstest.MapFS) []plugins.Finding { return unmanaged(f, loopback) }, files: map[string]string{conf: "[keyfile]\nunmanaged-devices=interface-name:=lo\n"}, want: unmanagedBy("lo", "/"+conf+":2")},

		{name: "profiles that others can read", look: func(f fstest.MapFS) []plugins.Finding { return keyfileModes(f) }, mode: 0o644,
			files: map[string]string{"etc/NetworkManager/system-connections/eth0.nmconnection": "x", "etc/NetworkManager/system-connections/eth0~": "x"},
			want: []string{"nm-keyfile-mode warning /etc/NetworkManager/system-connections/eth0.nmconnection:0: NetworkManager ignores this profile, as others than root can read it | " +
				"chmod 600 /etc/NetworkManager/system-connections/eth0.nmconnection; nmcli con reload"}},
		{name: "profiles that root alone can read", look: func(f fstest.MapFS) []plugins.Finding { return keyfileModes(f) }, mode: 0o600,
			files: map[string]string{"etc/NetworkManager/system-connections/eth0.nmconnection": "x"}},

		{name: "netplan with the guide's lo", look: func(f fstest.MapFS) []plugins.Finding { return netplanLo(f) },
			files: map[string]string{"etc/netplan/1.yaml": "network:\n  renderer: NetworkManager\n  ethernets:\n    lo:\n      match: {name: lo}\n      addresses: [203.0.113.10/32]\n    eth0: {addresses: [192.0.2.2/24]}\n"},
			want: []string{"netplan-lo-by-nm warning /etc/netplan/1.yaml:6: with NetworkManager as renderer, netplan apply takes 127.0.0.1 and ::1 off lo until the next reboot because of this, and does not set the address | " +
				"delete lo from netplan's files, and do not run netplan apply before; Stentor has the address on stentor0"}},

		{name: "a kernel without dummies", look: func(f fstest.MapFS) []plugins.Finding { return noDummy(f) },
			files: map[string]string{"proc/sys/kernel/osrelease": "6.1.0\n", "lib/modules/6.1.0/modules.dep": "kernel/drivers/net/veth.ko:\n"},
			want: []string{"no-dummy problem :0: this kernel has no dummy devices, and NetworkManager needs one for shared IPs (stentor0) | " +
				"install the kernel's full set of modules, or set device = \"lo\" in [backend.networkmanager] (NetworkManager 1.42 or newer)"}},
		{name: "a module for dummies", look: func(f fstest.MapFS) []plugins.Finding { return noDummy(f) },
			files: map[string]string{"proc/sys/kernel/osrelease": "6.1.0\n", "lib/modules/6.1.0/modules.dep": "kernel/drivers/net/dummy.ko:\n"}},
		{name: "dummies built in", look: func(f fstest.MapFS) []plugins.Finding { return noDummy(f) },
			files: map[string]string{"proc/sys/kernel/osrelease": "6.1.0\n", "lib/modules/6.1.0/modules.dep": "", "lib/modules/6.1.0/modules.builtin": "kernel/drivers/net/dummy.ko\n"}},
		{name: "a container", look: func(f fstest.MapFS) []plugins.Finding { return noDummy(f) }, files: map[string]string{"proc/sys/kernel/osrelease": "6.1.0\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range tt.files {
				root[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
				if tt.mode != 0 {
					root[name].Mode = tt.mode
				}
			}
			var got []string
			for _, f := range tt.look(root) {
				got = append(got, fmt.Sprintf("%s %s %s:%d: %s | %s", f.Code, f.Severity, f.Path, f.Line, f.Message, f.Hint))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
