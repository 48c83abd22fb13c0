package main

import (
	"encoding/json"
	"os/exec"
	"path"
	"strings"
	"testing"
)

const module = "github.com/stentor-net/stentor/"

// rules say who may import what of this module, and why. The first rule whose
// pattern matches the importing package counts; a package with no rule fails.
var rules = []struct {
	from  string
	allow []string
	why   string
}{
	{"cmd/stentor", []string{"..."}, "the one place that wires everything"},
	{"cmd/stentor-native", []string{"bgpbackends/native", "core/served", "plugins"}, "what it links, it pays for at each start"},
	{"plugins", []string{"plugins/internal/wire", "plugins/proto/v1"}, "third parties import it: it must bring nothing of ours along"},
	{"core/registry", []string{"core/...", "plugins", "plugins/host"}, "the one room of core that knows processes"},
	{"plugins/...", []string{"plugins/..."}, "third parties import it: it must bring nothing of ours along"},
	{"core/probe", nil, "it measures what the others do, and knows none of them"},
	{"core/...", []string{"core/...", "plugins"}, "the orchestrator knows the interfaces, never a vendor"},
	{"netbackends", []string{"netbackends/...", "plugins"}, "the list of built-ins"},
	{"netbackends/...", []string{"plugins", "netbackends/internal/..."}, "a backend stands alone, as a third party's would"},
	{"bgpbackends", []string{"bgpbackends/...", "plugins"}, "the list of built-ins"},
	{"bgpbackends/native/...", []string{"plugins", "bgpbackends/internal/...", "bgpbackends/native/..."}, "a backend in several rooms"},
	{"bgpbackends/...", []string{"plugins", "bgpbackends/internal/..."}, "a backend stands alone, as a third party's would"},
	{"contrib/lab/conformance", []string{"contrib/lab/...", "bgpbackends", "plugins/..."}, "it runs the conformance suite on each backend in the lab"},
	{"contrib/lab/probe", []string{"core/probe"}, "the demo measures by what `stentor probe` is made of; that knows nothing of the rest"},
	{"contrib/lab/...", []string{"contrib/lab/...", "plugins"}, "a lab that knows the product's inside would prove nothing"},
	{"contrib/hosts/...", []string{"contrib/hosts/...", "netbackends", "plugins/..."}, "it runs the conformance suite on each backend in a booted host"},
	{"contrib/bench", []string{"contrib/...", "plugins/...", "bgpbackends"}, "it compares a speaker in a process of its own with one in the same"},
	{"contrib/grafana", []string{"core/..."}, "it holds the dashboard and the alerts against the figures that there are"},
	{"contrib/bench", []string{"contrib/...", "plugins/...", "bgpbackends"}, "it measures a BGP backend without the daemon around it"},
	{"contrib/...", []string{"contrib/...", "plugins/..."}, "tools beside the product"},
}

// vendors are modules whose types stay in one folder.
var vendors = []struct {
	module string
	allow  []string
	why    string
}{
	{"github.com/osrg/gobgp", []string{"bgpbackends/gobgp/...", "bgpbackends/gobgp", "contrib/lab/..."}, "another major version must be one folder's work"},
	{"github.com/vishvananda/netlink", []string{"core/host", "core/host/...", "netbackends/...", "contrib/lab", "contrib/lab/...", "bgpbackends/gobgp/..."}, "core knows the kernel through core/host alone"},
	{"github.com/Wifx/gonetworkmanager", []string{"netbackends/networkmanager"}, "one network stack is one folder"},
	{"github.com/godbus/dbus", []string{"netbackends/networkmanager", "netbackends/internal/detect"}, "who does not talk to a daemon needs no bus"},
	{"github.com/BurntSushi/toml", []string{"core/config", "contrib/lab"}, "positions and strictness are made in one place"},
	{"github.com/prometheus/", []string{"core/metrics", "contrib/grafana"}, "figures are made in one room"},
	{"github.com/miekg/dns", []string{"core/health"}, "only a check of a name server speaks DNS"},
	{"github.com/prometheus-community/pro-bing", []string{"core/health"}, "only checks send echo requests"},
	{"github.com/coreos/go-systemd/v22/dbus", []string{"core/health", "core/daemon"}, "checks follow units, and a daemon that is stopped asks whether to come back"},
	{"github.com/spf13/cobra", []string{"cmd/stentor"}, "the command line is one room"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); seen++ {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		from := strings.TrimPrefix(p.ImportPath, module)
		checkOurs(t, from, p.Imports)
		for _, v := range vendors {
			for _, imp := range p.Imports {
				if strings.HasPrefix(imp, v.module) && !matchAny(v.allow, from) {
					t.Errorf("%s imports %s: %s", from, imp, v.why)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("looked at %d packages only", seen)
	}
}

// TestNativeIsSmall: the speaker's own program is only worth it without what it
// does not need.
func TestNativeIsSmall(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", module+"cmd/stentor-native").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		for _, large := range []string{"github.com/osrg/", "github.com/vishvananda/", "github.com/prometheus/", "github.com/spf13/", "github.com/BurntSushi/", "github.com/godbus/"} {
			if strings.HasPrefix(dep, large) {
				t.Errorf("stentor-native links %s", dep)
			}
		}
	}
}

func checkOurs(t *testing.T, from string, imports []string) {
	for _, r := range rules {
		if !match(r.from, from) {
			continue
		}
		for _, imp := range imports {
			to, ours := strings.CutPrefix(imp, module)
			if ours && !matchAny(r.allow, to) {
				t.Errorf("%s imports %s: %s", from, to, r.why)
			}
		}
		return
	}
	t.Errorf("no rule says what %s may import", from)
}

func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if match(p, name) {
			return true
		}
	}
	return false
}

// match knows names, and DIR/... for everything in a folder and the folder itself.
func match(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	if dir, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == dir || strings.HasPrefix(name, dir+"/")
	}
	ok, _ := path.Match(pattern, name)
	return ok
}
