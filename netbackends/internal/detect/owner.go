package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// Scores, as plugins.Detection has them.
const (
	scoreOwner   = 95 // runs, and owns the uplink
	scoreState   = 90 // brought the uplink up, and nothing that runs owns it
	scoreListed  = 80 // its service is active, and lists the uplink
	scoreDefault = 80 // runs, and took the uplink by a file that every host has, or only shows it
	scoreLo      = 60 // runs, and has lo; nothing owns the uplink
	scoreFiles   = 50 // its files are there, nothing runs
)

// Fit is a stack that the host may belong to.
type Fit struct {
	Stack Stack
	Score int
	Why   string
}

// Verdict is what Owner makes of a view.
type Verdict struct {
	// Fits is empty when nothing is recognised, and has more than one entry
	// when several stacks claim the uplink with equal right.
	Fits []Fit
	// Unsupported is why no backend fits although a stack runs; or empty.
	Unsupported string
	// PlanNM: netplan configures the uplink, but NetworkManager is its renderer.
	PlanNM  bool
	Signals []plugins.Signal
}

// Owner decides which stack an address belongs into: who runs goes before
// whose files are there, and the owner of the uplink before that of lo. That a
// program is installed says nothing.
func Owner(v View) Verdict {
	verdict := Verdict{Signals: v.signals()}
	if v.Elsewhere {
		return verdict
	}
	verdict.Fits = running(v)
	verdict.PlanNM = v.NM.Managed && netplanProfile(v.NM.Profile)
	if len(verdict.Fits) > 0 {
		return verdict
	}
	if len(v.Unsupported) > 0 {
		verdict.Unsupported = fmt.Sprintf("%s runs this host's network, and no backend drives it", join(v.Unsupported))
		return verdict
	}
	if v.NM.Running && v.NM.External {
		why := fmt.Sprintf("NetworkManager runs, and nothing else; it shows uplink %s as others set it up", v.Uplink.Name)
		verdict.Fits = []Fit{{NetworkManager, scoreDefault, why}}
		return verdict
	}
	// The daemons' owners of lo come last: lo is nobody's on most hosts.
	if v.Networkd.Running && v.Networkd.LoFile != "" {
		stack := Networkd
		if netplanFile(v.Networkd.LoFile) {
			stack = Netplan
		}
		verdict.Fits = []Fit{{stack, scoreLo, "systemd-networkd runs and has lo by " + v.Networkd.LoFile}}
		return verdict
	}
	verdict.Fits = byFiles(v)
	verdict.PlanNM = len(v.NetplanFiles) > 0 && v.NetplanRenderer == "NetworkManager"
	return verdict
}

// running gives the stacks that own the uplink now.
func running(v View) []Fit {
	var fits []Fit
	up := "uplink " + v.Uplink.Name
	if v.NM.Running && v.NM.Managed && !v.NM.External {
		why := fmt.Sprintf("NetworkManager manages %s", up)
		switch {
		case netplanProfile(v.NM.Profile):
			why += " for netplan, whose renderer it is (" + v.NM.Profile + ")"
		case v.NM.Profile != "":
			why += " by " + v.NM.Profile
		}
		fits = append(fits, Fit{NetworkManager, scoreOwner, why})
	}
	if n := v.Networkd; n.Running && n.File != "" && (n.State == "configured" || n.State == "configuring") {
		switch {
		case netplanFile(n.File):
			fits = append(fits, Fit{Netplan, scoreOwner, fmt.Sprintf("renderer networkd active, %s in %s", up, n.File)})
		case strings.HasPrefix(n.File, "/usr/lib/") || strings.HasPrefix(n.File, "/lib/"):
			fits = append(fits, Fit{Networkd, scoreDefault, fmt.Sprintf("systemd-networkd has %s by its default %s", up, n.File)})
		default:
			fits = append(fits, Fit{Networkd, scoreOwner, fmt.Sprintf("systemd-networkd has %s by %s", up, n.File)})
		}
	}
	for _, f := range fits {
		if f.Score == scoreOwner {
			return fits
		}
	}
	switch {
	case v.Ifupdown.State != "":
		fits = append(fits, Fit{Ifupdown, scoreState, fmt.Sprintf("%s in %s (%s)", up, v.Ifupdown.State, or(v.Ifupdown.Version, "ifup is missing"))})
	case v.Ifupdown.Listed:
		fits = append(fits, Fit{Ifupdown, scoreListed, fmt.Sprintf("networking.service active, ifquery lists %s (%s)", up, v.Ifupdown.Version)})
	}
	slices.SortStableFunc(fits, func(a, b Fit) int { return cmp.Compare(b.Score, a.Score) })
	return fits
}

// byFiles is for hosts whose network does not run: a chroot, an image.
func byFiles(v View) []Fit {
	var fits []Fit
	for _, name := range v.onDisk() {
		f := Fit{Stack(name), scoreFiles, "its files are there, and nothing that owns the uplink runs"}
		if f.Stack == Netplan && v.NetplanRenderer == "NetworkManager" {
			f = Fit{NetworkManager, scoreFiles, "it is the renderer of netplan, whose files are there; nothing that owns the uplink runs"}
		}
		if f.Stack == NetworkManager && len(fits) > 0 && fits[0].Stack == NetworkManager {
			continue // netplan's files named it already
		}
		fits = append(fits, f)
	}
	return fits
}

// For is the opinion of the backend that drives s.
func (d Verdict) For(s Stack) plugins.Detection {
	out := plugins.Detection{Signals: d.Signals}
	for _, f := range d.Fits {
		if f.Stack == s {
			out.Score, out.Why = f.Score, f.Why
			return out
		}
	}
	switch {
	case d.Unsupported != "":
		out.Why = d.Unsupported
	case s == Netplan && d.PlanNM:
		out.Why = "netplan's renderer is NetworkManager: the networkmanager backend serves it"
	case len(d.Fits) > 0:
		out.Why = fmt.Sprintf("%s owns the network", d.Fits[0].Stack)
	default:
		out.Why = "no sign of it on this host"
	}
	return out
}

// Line is the signals on one line: "[uplink=eth0 nm=no ...]".
func (d Verdict) Line() string {
	words := make([]string, len(d.Signals))
	for i, s := range d.Signals {
		words[i] = s.Name + "=" + s.Value
	}
	return "[" + strings.Join(words, " ") + "]"
}

// netplanFile tells netplan's rendering for networkd by its place and name.
func netplanFile(path string) bool {
	return strings.HasPrefix(path, "/run/systemd/network/") && strings.Contains(path, "netplan")
}

// netplanProfile tells netplan's rendering for NetworkManager.
func netplanProfile(path string) bool {
	return strings.HasPrefix(path, "/run/NetworkManager/system-connections/netplan-")
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

func yes(is bool, then, otherwise string) string {
	if is {
		return then
	}
	return otherwise
}

func join(words []string) string { return strings.Join(words, ",") }
