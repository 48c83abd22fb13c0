package doctor

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// setting reads a numeric sysctl; 0 if there is none.
func (x *exam) setting(path string) int {
	s, err := x.Sysctl(path)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// effective is the larger of a parameter's values for all links and for one:
// that is how the kernel reads rp_filter, arp_ignore and a few more
// (Documentation/networking/ip-sysctl).
func (x *exam) effective(link, name string) int {
	return max(x.setting("net/ipv4/conf/all/"+name), x.setting("net/ipv4/conf/"+link+"/"+name))
}

// set is the hint that names the sysctl command. We leave it to the admin: a
// sysctl of ours would surprise who set the old value on purpose.
func set(value int, paths ...string) string {
	var b strings.Builder
	b.WriteString("sysctl -w")
	for _, p := range paths {
		fmt.Fprintf(&b, " %s=%d", spell(p), value)
	}
	b.WriteString(", and the same in /etc/sysctl.d; Stentor never sets it silently")
	return b.String()
}

// spell writes a path with dots, as people do, unless a link's name has one:
// sysctl(8) takes slashes as well.
func spell(path string) string {
	if strings.Contains(path, ".") {
		return path
	}
	return strings.ReplaceAll(path, "/", ".")
}

// sysctlFolders are those of sysctl.d(5); of two files of one name the first
// folder's counts.
var sysctlFolders = []string{"etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d", "lib/sysctl.d"}

// bootSetting is one line of a file that is read at boot.
type bootSetting struct {
	pattern string // a path below /proc/sys, with wildcards
	value   string
	place
}

// bootSettings are those of sysctl.d, in the order in which they are set.
func (x *exam) bootSettings() []bootSetting {
	files := map[string]string{}
	for _, dir := range sysctlFolders {
		found, _ := fs.Glob(x.Files, dir+"/*.conf") // only a bad pattern is an error
		for _, name := range found {
			if _, masked := files[path.Base(name)]; !masked {
				files[path.Base(name)] = name
			}
		}
	}
	names := make([]string, 0, len(files))
	for base := range files {
		names = append(names, base)
	}
	slices.Sort(names)
	var all []bootSetting
	for _, base := range names {
		for n, line := range x.lines(files[base]) {
			key, value, assigned := strings.Cut(line, "=")
			key = strings.TrimSpace(key)
			if key == "" || key[0] == '#' || key[0] == ';' {
				continue
			}
			// With "-" errors are ignored; without a value wildcards skip the key.
			key = strings.TrimPrefix(key, "-")
			if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
				key = strings.NewReplacer(".", "/", "/", ".").Replace(key)
			}
			s := bootSetting{pattern: key, value: strings.TrimSpace(value), place: place{"/" + files[base], n + 1}}
			if !assigned {
				s.value = ""
			}
			all = append(all, s)
		}
	}
	return all
}

// atNextBoot is what a parameter will be set to at boot, if anything says so. A
// line that names it goes before wildcards (sysctl.d(5)).
func atNextBoot(all []bootSetting, key string) (bootSetting, bool) {
	var wild, exact bootSetting
	for _, s := range all {
		switch ok, _ := path.Match(s.pattern, key); {
		case s.pattern == key:
			exact = s
		case ok:
			wild = s
		}
	}
	if exact.pattern != "" {
		return exact, exact.value != ""
	}
	return wild, wild.value != ""
}

// filterAtBoot are the settings of rp_filter that count for a link after a boot:
// the one for all links, and its own or else the default's.
func filterAtBoot(all []bootSetting, link string) []bootSetting {
	var found []bootSetting
	for _, keys := range [][]string{{"all"}, {link, "default"}} {
		for _, k := range keys {
			if s, ok := atNextBoot(all, "net/ipv4/conf/"+k+"/rp_filter"); ok {
				found = append(found, s)
				break
			}
		}
	}
	return found
}

// disabledAtBoot is the line that takes IPv6 from a link at boot. What is set
// for all links is copied to each that is there, and the default to each that
// comes later; lo is always there.
func disabledAtBoot(all []bootSetting, link string) (place, bool) {
	keys := []string{link, "all", "default"}
	if link == "lo" {
		keys = keys[:2]
	}
	for _, k := range keys {
		if s, ok := atNextBoot(all, "net/ipv6/conf/"+k+"/disable_ipv6"); ok {
			return s.place, s.value == "1"
		}
	}
	return place{}, false
}

// strictBy is the line that makes a link's filter strict; nowhere, if none does.
func (x *exam) strictBy(link string) place {
	for _, s := range filterAtBoot(x.bootSettings(), link) {
		if s.value == "1" {
			return s.place
		}
	}
	return place{}
}

// disabledBy is the line that takes IPv6 from a link; nowhere, if none does.
func (x *exam) disabledBy(link string) place {
	if at, ok := disabledAtBoot(x.bootSettings(), link); ok {
		return at
	}
	return place{}
}

// atBoot: what somebody set right by hand is gone after the next reboot when a
// file says otherwise.
func (x *exam) atBoot() {
	all := x.bootSettings()
	object := "sysctl at boot"
	if links := x.arrivals(); len(links) > 1 && slices.ContainsFunc(x.Config.VIPs, isIPv4) {
		for _, l := range links {
			found := filterAtBoot(all, l.Name)
			strict := slices.IndexFunc(found, func(s bootSetting) bool { return s.value == "1" })
			loose := slices.ContainsFunc(found, func(s bootSetting) bool { return s.value == "2" })
			if strict >= 0 && !loose && x.effective(l.Name, "rp_filter") != 1 {
				x.addAt(CodeSysctlAtBoot, Warning, object, fmt.Sprintf("this makes %s drop IPv4 packets whose answer would leave by another link (rp_filter=1), from the next boot on", l.Name),
					"write 2 here", found[strict].place)
			}
		}
	}
	for link, vips := range x.byLink(isIPv6) {
		if at, ok := disabledAtBoot(all, link); ok && x.setting("net/ipv6/conf/"+link+"/disable_ipv6") == 0 {
			x.addAt(CodeSysctlAtBoot, Warning, object, fmt.Sprintf("this disables IPv6 on %s from the next boot on, which %s needs", link, names(vips)), "write 0 here", at)
		}
	}
}
