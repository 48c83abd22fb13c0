package netfiles

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// setting is one KEY=VALUE of a file with sections, as systemd and
// NetworkManager write them.
type setting struct {
	section    string
	key, value string
	line       int
}

// settings reads such a file.
func settings(content []byte) []setting {
	var all []setting
	section, line := "", 0
	for text := range strings.Lines(string(content)) {
		line++
		text = strings.TrimSpace(text)
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
		case text[0] == '[':
			section = strings.Trim(text, "[]")
		default:
			if k, v, ok := strings.Cut(text, "="); ok {
				all = append(all, setting{section, strings.TrimSpace(k), strings.TrimSpace(v), line})
			}
		}
	}
	return all
}

// Setting is the last value of a key in such a file, and its line; 0 if it is
// not there, or the file can't be read.
func Setting(root fs.FS, name, section, key string) (value string, line int) {
	content, err := Read(root, name)
	if err != nil {
		return "", 0
	}
	for _, s := range settings(content) {
		if s.section == section && s.key == key {
			value, line = s.value, s.line
		}
	}
	return value, line
}

// Keyfiles gives the addresses in NetworkManager's profiles. Those below /run
// come from others' files, as netplan's, and are left to these.
func Keyfiles(root fs.FS) []Address {
	var all []Address
	for _, n := range Shadowed(root, []string{"etc/NetworkManager/system-connections", "usr/lib/NetworkManager/system-connections"}, "*") {
		if strings.HasSuffix(n, "~") || path.Base(n) == "stentor.nmconnection" {
			continue
		}
		all = append(all, keyfile("/"+n, foreign(root, n))...)
	}
	return all
}

// keyfile reads one profile: "address1=ADDRESS/LENGTH,GATEWAY", also without
// the number or spelt "addresses" (nm-settings-keyfile(5)).
func keyfile(file string, content []byte) []Address {
	list := settings(content)
	link := "any link" // that fits, without an interface-name
	for _, s := range list {
		if s.section == "connection" && s.key == "interface-name" {
			link = s.value
		}
	}
	var all []Address
	for _, s := range list {
		if s.section != "ipv4" && s.section != "ipv6" {
			continue
		}
		number := strings.TrimPrefix(strings.TrimPrefix(s.key, "address"), "es")
		if _, err := strconv.Atoi(number); number == s.key || number != "" && err != nil {
			continue
		}
		address, _, _ := strings.Cut(s.value, ",")
		if p, ok := parse(strings.TrimSpace(address), 0); ok {
			all = append(all, Address{file, s.line, link, p})
		}
	}
	return all
}

// networkdFolders are where an admin's and others' .network files lie; what is
// rendered into /run from other files is left to these.
var networkdFolders = []string{"etc/systemd/network", "usr/local/lib/systemd/network", "usr/lib/systemd/network", "lib/systemd/network"}

// Networkd gives the addresses in systemd-networkd's files and their drop-ins.
func Networkd(root fs.FS) []Address {
	var all []Address
	for _, n := range Shadowed(root, networkdFolders, "*.network") {
		content, err := Read(root, n)
		if err != nil {
			continue
		}
		all = append(all, networkd("/"+n, linkOf(content), foreign(root, n))...)
		all = append(all, DropIns(root, path.Base(n), linkOf(content))...)
	}
	return all
}

// DropIns gives the addresses that drop-ins add to the .network file called
// base, which is for link.
func DropIns(root fs.FS, base, link string) []Address {
	var folders []string
	for _, f := range append([]string{"run/systemd/network"}, networkdFolders...) {
		folders = append(folders, path.Join(f, base+".d"))
	}
	var all []Address
	for _, n := range Shadowed(root, folders, "*.conf") {
		all = append(all, networkd("/"+n, link, foreign(root, n))...)
	}
	return all
}

// Network gives the addresses in one .network file and its drop-ins.
func Network(root fs.FS, file string) []Address {
	content, err := Read(root, file)
	if err != nil {
		return nil
	}
	link := linkOf(content)
	return append(networkd(file, link, foreign(root, file)), DropIns(root, path.Base(file), link)...)
}

// linkOf gives the name in [Match], or else what it matches by.
func linkOf(content []byte) string {
	link := "any link"
	for _, s := range settings(content) {
		switch {
		case s.section != "Match":
		case s.key == "Name":
			return s.value
		case link == "any link":
			link = s.key + "=" + s.value
		}
	}
	return link
}

// networkd reads one file. "Address=" stands in [Network], any number of
// times, or once in [Address].
func networkd(file, link string, content []byte) []Address {
	var all []Address
	for _, s := range settings(content) {
		if s.key != "Address" || s.section != "Network" && s.section != "Address" {
			continue
		}
		if p, ok := parse(s.value, 0); ok {
			all = append(all, Address{file, s.line, link, p})
		}
	}
	return all
}
