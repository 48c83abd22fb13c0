// Package doctor looks for what on a host keeps shared IPs from working, and
// says how to mend it; it changes nothing itself.
package doctor

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/plugins"
)

// Severity tells how bad a finding is.
type Severity string

// The severities, worst first.
const (
	Problem Severity = "problem" // it can't work
	Warning Severity = "warning" // it fails under some condition that is common
	Note    Severity = "note"    // worth knowing
)

// Finding is one trap, with its fix.
type Finding struct {
	Severity Severity `json:"severity"`
	Object   string   `json:"object"`  // "vip web", "peer rs1", "link eth0"
	Message  string   `json:"message"` // the cause, in one line
	Hint     string   `json:"hint"`    // the fix, in one line
	// Path and Line are where it stands, when it stands in a file.
	Path string `json:"path,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Place is FILE:LINE, FILE alone, or nothing.
func (f Finding) Place() string {
	if f.Line == 0 {
		return f.Path
	}
	return fmt.Sprintf("%s:%d", f.Path, f.Line)
}

// Input is all that the findings come from.
type Input struct {
	Config *config.Config
	View   host.View
	// Sysctl reads a kernel parameter by its path below /proc/sys, as
	// "net/ipv4/conf/eth0/rp_filter"; the error of a missing one is fs.ErrNotExist.
	Sysctl func(path string) (string, error)
	// RouteTo asks the kernel for a way; the error without one is host.ErrNoRoute.
	RouteTo func(netip.Addr) (host.Route, error)
	// Files is the host's root folder. Other tools' network files are read from it.
	Files fs.FS
	// Stack is what the network backend found on its own ground.
	Stack []plugins.Finding
}

// Host is the Input of this host, in the network namespace of the calling OS thread.
func Host(c *config.Config) (Input, error) {
	view, err := host.Read()
	if err != nil {
		return Input{}, err
	}
	sysctl := func(path string) (string, error) {
		b, err := os.ReadFile(filepath.Join("/proc/sys", path))
		return strings.TrimSpace(string(b)), err
	}
	return Input{Config: c, View: view, Sysctl: sysctl, RouteTo: host.RouteTo, Files: os.DirFS("/")}, nil
}

// Check gives all findings, the worst first.
func Check(in Input) []Finding {
	x := &exam{Input: in, shared: make(map[netip.Addr]string, len(in.Config.VIPs))}
	for _, v := range in.Config.VIPs {
		x.shared[v.Addr] = v.Name
	}
	x.links()
	x.ipv6()
	x.reversePath()
	x.arp()
	x.needless()
	x.places()
	x.stack()
	x.copies()
	x.beside()
	x.peers()
	x.routerID()
	slices.SortStableFunc(x.findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(rank(a.Severity), rank(b.Severity)),
			cmp.Compare(a.Object, b.Object),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return x.findings
}

func rank(s Severity) int { return slices.Index([]Severity{Problem, Warning, Note}, s) }

// exam is one Check: its Input, and what was found so far.
type exam struct {
	Input
	shared   map[netip.Addr]string // the names of the VIPs
	findings []Finding
}

// add notes a finding, unless the network backend said the same already, and
// knows the file that it comes from.
func (x *exam) add(s Severity, object, message, hint string) {
	if slices.ContainsFunc(x.Stack, func(f plugins.Finding) bool { return f.Object == object && f.Message == message }) {
		return
	}
	x.findings = append(x.findings, Finding{Severity: s, Object: object, Message: message, Hint: hint})
}

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

// names lists VIPs for people, but no thousand of them.
func names(vips []config.VIP) string {
	const readable = 3
	var list []string
	for i, v := range vips {
		if i == readable && len(vips) > readable+1 {
			return fmt.Sprintf("%s and %d more", strings.Join(list, ", "), len(vips)-readable)
		}
		list = append(list, fmt.Sprintf("%s (%s)", v.Name, v.Addr))
	}
	return strings.Join(list, ", ")
}
