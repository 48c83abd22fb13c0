// Package doctor looks for what on a host keeps shared IPs from working, and
// says how to mend it; it changes nothing itself.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/firewall"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/survey"
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
	Code     Code     `json:"code"`
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
	// Kernel is what only a system call tells.
	Kernel Kernel
	// Firewall is what the packet filter is told.
	Firewall firewall.Ruleset
	// Cloud is what firmware and metadata service say of the host.
	Cloud survey.Facts
	// Confined: the BGP speaker has a process that gives up its rights.
	Confined bool
	// Stack is what backends found on their own ground.
	Stack []plugins.Finding
}

// Host is the Input of this host, in the network namespace of the calling OS thread.
func Host(ctx context.Context, c *config.Config) (Input, error) {
	view, err := host.Read()
	if err != nil {
		return Input{}, err
	}
	sysctl := func(path string) (string, error) {
		b, err := os.ReadFile(filepath.Join("/proc/sys", path))
		return strings.TrimSpace(string(b)), err
	}
	root := os.DirFS("/")
	return Input{
		Config: c, View: view, Sysctl: sysctl, RouteTo: host.RouteTo, Files: root,
		Kernel: readKernel(), Firewall: firewall.Read(ctx, root),
	}, nil
}

// Check gives all findings, the worst first.
func Check(in Input) []Finding {
	x := &exam{Input: in, shared: make(map[netip.Addr]string, len(in.Config.VIPs))}
	for _, v := range in.Config.VIPs {
		x.shared[v.Addr] = v.Name
	}
	for _, look := range []func(){
		x.links, x.ipv6, x.reversePath, x.arp, x.advertisements, x.needless, x.atBoot,
		x.places, x.ranges, x.neighbours, x.hostSource,
		x.stack, x.copies, x.beside, x.foreignRoutes, x.needrestart, x.resolver,
		x.peers, x.holdTimes, x.routerID, x.filtered, x.signatures,
		x.cloud, x.rights, x.clock, x.unit,
	} {
		look()
	}
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

// add notes a finding, unless a backend said the same already, and knows the
// file that it comes from.
func (x *exam) add(c Code, s Severity, object, message, hint string) {
	x.addAt(c, s, object, message, hint, place{})
}

// place is a line of a file; the zero value is nowhere.
type place struct {
	path string
	line int
}

// addAt is add for what stands in a file.
func (x *exam) addAt(c Code, s Severity, object, message, hint string, at place) {
	if slices.ContainsFunc(x.Stack, func(f plugins.Finding) bool { return f.Object == object && f.Message == message }) {
		return
	}
	x.findings = append(x.findings, Finding{c, s, object, message, hint, at.path, at.line})
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
