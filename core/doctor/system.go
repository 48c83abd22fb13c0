package doctor

import (
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"
)

// foreignRoutes: systemd-networkd takes away what others have put into the
// kernel's tables when it starts anew, as an upgrade of it does.
func (x *exam) foreignRoutes() {
	daemon := map[string]string{"frr": "FRR", "bird": "BIRD"}[x.Config.BGP.Backend]
	if daemon == "" || !x.unitRuns("systemd-networkd.service") {
		return
	}
	for _, pattern := range []string{"etc/systemd/networkd.conf", "etc/systemd/networkd.conf.d/*.conf", "run/systemd/networkd.conf.d/*.conf", "usr/lib/systemd/networkd.conf.d/*.conf"} {
		files, _ := fs.Glob(x.Files, pattern) // only a bad pattern is an error
		for _, name := range files {
			for _, line := range x.lines(name) {
				key, value, _ := strings.Cut(strings.ReplaceAll(line, " ", ""), "=")
				if key == "ManageForeignRoutes" && (value == "no" || value == "false" || value == "0" || value == "off") {
					return
				}
			}
		}
	}
	x.add(CodeForeignRoutes, Note, "systemd-networkd", fmt.Sprintf("when it is started anew, as by an upgrade, it removes the routes that %s has put into the kernel", daemon),
		"write [Network] and ManageForeignRoutes=no into /etc/systemd/networkd.conf.d/foreign.conf, if there are such routes (networkd.conf(5))")
}

// unitRuns tells whether a unit of systemd's has processes.
func (x *exam) unitRuns(unit string) bool {
	for _, tree := range []string{"sys/fs/cgroup", "sys/fs/cgroup/systemd"} {
		if b, err := fs.ReadFile(x.Files, tree+"/system.slice/"+unit+"/cgroup.procs"); err == nil && strings.TrimSpace(string(b)) != "" {
			return true
		}
	}
	return false
}

// needrestart restarts, when told so, what uses a library that was upgraded.
func (x *exam) needrestart() {
	var automatic place
	kept := ""
	files, _ := fs.Glob(x.Files, "etc/needrestart/conf.d/*.conf") // only a bad pattern is an error
	for _, name := range append([]string{"etc/needrestart/needrestart.conf"}, files...) {
		for n, line := range x.lines(name) {
			line = strings.ReplaceAll(strings.TrimSpace(line), `"`, "'")
			switch {
			case strings.HasPrefix(line, "#"):
			case strings.HasPrefix(line, "$nrconf{restart}"):
				automatic = place{}
				if strings.Contains(line, "'a'") {
					automatic = place{"/" + name, n + 1}
				}
			case strings.HasPrefix(line, "$nrconf{override_rc}"), strings.HasPrefix(line, "$nrconf{blacklist_rc}"), strings.HasPrefix(line, "qr("):
				kept += line
			}
		}
	}
	unit := map[string]string{"frr": "frr", "bird": "bird"}[x.Config.BGP.Backend]
	if unit == "" {
		unit = "stentor"
	}
	if automatic.path != "" && !strings.Contains(kept, unit) {
		x.addAt(CodeNeedrestart, Note, "needrestart", fmt.Sprintf("it restarts %s by itself after upgrades, and the sessions end for that moment", unit),
			fmt.Sprintf("write $nrconf{override_rc}{qr(^%s\\.service$)} = 0; into /etc/needrestart/conf.d/%s.conf", unit, unit), automatic)
	}
}

// resolver: a host that asks a shared IP for names asks itself while it holds it.
func (x *exam) resolver() {
	for n, line := range x.lines("etc/resolv.conf") {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		a, err := netip.ParseAddr(f[1])
		if vip, shared := x.shared[a]; err == nil && shared {
			x.addAt(CodeResolver, Warning, "vip "+vip, fmt.Sprintf("this host asks %s for names, and so itself, also while its own service is down: checks and hooks that need a name fail then", a),
				"name a resolver that is not shared here, at least as the second one", place{"/etc/resolv.conf", n + 1})
		}
	}
}

// unit: the package's unit, which somebody has to enable for the next boot.
func (x *exam) unit() {
	if _, err := fs.Stat(x.Files, "run/systemd/system"); err != nil {
		return
	}
	for _, dir := range []string{"usr/lib/systemd/system", "lib/systemd/system"} {
		if _, err := fs.Stat(x.Files, dir+"/stentor.service"); err != nil {
			continue
		}
		// A link to a file that is on the host, and may not be in the view of it.
		for _, name := range []string{"stentor.service", "stentor-apply.service"} {
			if wanted, _ := fs.Glob(x.Files, "etc/systemd/system/*.wants/"+name); len(wanted) > 0 {
				return
			}
		}
		x.add(CodeUnitDisabled, Warning, "stentor.service", "it is not enabled: after the next boot nothing is announced", "systemctl enable stentor")
		return
	}
}

// number reads one that the kernel wrote; what is none is 0.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// some lists names for people, but no thousand of them.
func some(list []string) string {
	const readable = 4
	if len(list) > readable+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:readable], ", "), len(list)-readable)
	}
	return strings.Join(list, ", ")
}
