package networkd

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/plugins"
)

// ReplacesInPlace is the first version of systemd that was seen to keep an
// address while its file is rendered anew: before it, netplan's own apply
// takes the uplink's addresses off for a moment (247, 252).
const ReplacesInPlace = 257

// The kinds of findings.
const (
	CodeLoopbackLost plugins.Code = "networkd-loses-loopback"
	CodeNetplanApply plugins.Code = "netplan-apply"
	CodeShadowed     plugins.Code = "networkd-shadowed"
	CodeUnreadable   plugins.Code = "networkd-unreadable"
)

// Traps tells what is wrong with this version of systemd, as far as it shows
// on this host.
func Traps(root fs.FS, netplan bool) ([]plugins.Finding, error) {
	v := Version(root)
	if v == 0 {
		return nil, nil
	}
	object := fmt.Sprintf("systemd %d", v)
	var all []plugins.Finding
	files, err := ForLo(root, func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	if v < KeepsLoopback && len(files) > 0 && !keeps(root, files[0]) {
		all = append(all, plugins.Finding{
			Code: CodeLoopbackLost, Severity: plugins.SeverityWarning, Object: object, Path: files[0].Path,
			Message: "when this file changes, networkctl reload and netplan apply take 127.0.0.1 and ::1 off lo",
			Hint:    fmt.Sprintf("write [Network] and KeepConfiguration=static into /etc/systemd/network/%s.d/keep.conf", files[0].Name()),
		})
	}
	if netplan && v < ReplacesInPlace {
		all = append(all, plugins.Finding{
			Code: CodeNetplanApply, Severity: plugins.SeverityNote, Object: object,
			Message: "netplan apply takes the uplink's and the shared addresses off for a moment, even when nothing has changed",
			Hint:    "avoid it while the host serves; stentor apply never calls it",
		})
	}
	return append(append(all, shadowed(root, files)...), unreadable(root)...), nil
}

// shadowed are files with addresses for lo that networkd does not read, as it
// reads the first one only.
func shadowed(root fs.FS, files []File) []plugins.Finding {
	var all []plugins.Finding
	for i, f := range files {
		if i == 0 || f.Match != MatchExact || len(netfiles.Network(root, f.Path)) == 0 {
			continue
		}
		all = append(all, plugins.Finding{
			Code: CodeShadowed, Severity: plugins.SeverityWarning, Object: "networkd", Path: f.Path,
			Message: fmt.Sprintf("networkd does not read this file: %s is for lo before it, and of several files for a link the first one counts", files[0].Path),
			Hint:    fmt.Sprintf("move its addresses to a drop-in: /etc/systemd/network/%s.d/NAME.conf", files[0].Name()),
		})
	}
	return all
}

// unreadable are files that networkd, which runs as a user of its own, can't
// open: it then leaves the link alone, and says so in its journal only.
func unreadable(root fs.FS) []plugins.Finding {
	var all []plugins.Finding
	for _, pattern := range []string{"etc/systemd/network/*.network", "etc/systemd/network/*.network.d/*.conf"} {
		names, _ := fs.Glob(root, pattern) // only a bad pattern is an error
		for _, n := range names {
			// What the group may read is netplan's way, whose group is networkd's.
			if st, err := fs.Stat(root, n); err != nil || !st.Mode().IsRegular() || st.Mode()&0o044 != 0 {
				continue
			}
			all = append(all, plugins.Finding{
				Code: CodeUnreadable, Severity: plugins.SeverityWarning, Object: "networkd", Path: "/" + n,
				Message: "networkd runs as a user of its own and can't read this file: its link is left unmanaged at the next start",
				Hint:    "chmod 644 /" + n,
			})
		}
	}
	return all
}

// keeps tells whether the file or a drop-in of its own has networkd leave
// alone what is configured.
func keeps(root fs.FS, f File) bool {
	names := []string{strings.TrimPrefix(f.Path, "/")}
	for _, dir := range folders {
		more, _ := fs.Glob(root, path.Join(dir, f.Name()+".d/*.conf")) // only a bad pattern is an error
		names = append(names, more...)
	}
	for _, n := range names {
		content, err := netfiles.Read(root, n)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(content)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if value = strings.TrimSpace(value); strings.TrimSpace(key) == "KeepConfiguration" && (value == "static" || value == "yes") {
				return true
			}
		}
	}
	return false
}
