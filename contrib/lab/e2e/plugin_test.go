package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
)

const examples = "../../../plugins/example"

// goExample builds a Go example and its manifest into dir, as its README says.
func goExample(t *testing.T, dir, name string) string {
	t.Helper()
	program := filepath.Join(dir, name)
	build := exec.Command("go", "build", "-o", program, "./"+name)
	build.Dir, build.Env = examples, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	manifest, err := exec.Command(program, "--manifest").Output()
	if err == nil {
		err = os.WriteFile(program+".json", manifest, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// pythonExample builds the example in Python into dir.
func pythonExample(t *testing.T, dir string) string {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-c", "import grpc, google.protobuf").Run(); err != nil {
		t.Skip("python3-grpcio or python3-protobuf is not installed")
	}
	if out, err := exec.Command(filepath.Join(examples, "ipbatch/build.sh"), dir).CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, out)
	}
	return filepath.Join(dir, "ipbatch")
}

// outside makes a module outside of this repository of the Go example of that
// name, as somebody else's who has the SDK alone.
func outside(t *testing.T, name string) (program, graph string) {
	t.Helper()
	dir := t.TempDir()
	sdk, err := filepath.Abs("../../../plugins")
	if err == nil {
		err = os.CopyFS(dir, os.DirFS(filepath.Join(examples, name)))
	}
	if err != nil {
		t.Fatal(err)
	}
	run := func(argv ...string) string {
		t.Helper()
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", strings.Join(argv, " "), err)
		}
		return string(out)
	}
	run("go", "mod", "init", "example.com/"+name)
	run("go", "mod", "edit", "-require", "github.com/stentor-net/stentor/plugins@v0.0.0",
		"-replace", "github.com/stentor-net/stentor/plugins="+sdk)
	run("go", "mod", "tidy")
	run("go", "build", "-o", name, ".")
	program = filepath.Join(dir, name)
	if err := os.WriteFile(program+".json", []byte(run(program, "--manifest")), 0o644); err != nil {
		t.Fatal(err)
	}
	return program, run("go", "list", "-m", "all")
}

// TestThirdPartyModule: a module of somebody else's builds a plugin that keeps
// all promises and works, and has none of the built-ins' libraries in its graph.
func TestThirdPartyModule(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.Embedded)
	program, graph := outside(t, "bootscript")
	if bad := regexp.MustCompile(`(?im)^.*(gobgp|netlink|dbus|toml).*$`).FindAllString(graph, -1); bad != nil || !strings.Contains(graph, "stentor/plugins") {
		t.Errorf("in the module graph of a third party: %v\n%s", bad, graph)
	}
	settings := filepath.Join(t.TempDir(), "settings.toml")
	kept := filepath.Join(t.TempDir(), "stentor.start")
	table := fmt.Sprintf("[backend.bootscript]\nscript = %q\n", kept)
	if err := os.WriteFile(settings, []byte(table), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(binary, "plugins", "verify", program, "--settings", settings, "--folder", filepath.Dir(kept)).CombinedOutput(); err != nil {
		t.Fatalf("plugins verify: %v\n%s", err, out)
	}
	pluginDay(r, fmt.Sprintf("[network]\nbackend = \"bootscript\"\n%splugin = %q\n", table, program), "", kept)
}

// TestExamplePlugins: with the examples as backends, a host is announced, and
// goes, as with the built-ins.
func TestExamplePlugins(t *testing.T) {
	if _, err := exec.LookPath("exabgp"); err != nil {
		t.Skip("exabgp is not installed")
	}
	for name, file := range map[string]string{"bootscript": "script", "ipbatch": "file"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, lab.Embedded)
			dir := t.TempDir()
			network := ""
			if name == "ipbatch" {
				network = pythonExample(t, dir)
			} else {
				network = goExample(t, dir, name)
			}
			kept := filepath.Join(t.TempDir(), "addresses")
			pluginDay(r, fmt.Sprintf("[network]\nbackend = %q\n[backend.%s]\nplugin = %q\n%s = %q\n[backend.exabgp]\nplugin = %q\n",
				name, name, network, file, kept, goExample(t, dir, "exabgp")), "exabgp", kept)
		})
	}
}

// netPlugin is the process of the network backend, whatever it is called.
func (v view) netPlugin() backendView {
	for _, b := range v.Backends {
		if b.Kind == "network" {
			return b
		}
	}
	return backendView{}
}

// pluginDay is a day in the life of a host with plugins. backends is the part
// of the config that says where they are, kept the file in which the network
// backend has the addresses; speaker is the BGP backend, if not the usual one.
func pluginDay(r *rig, backends, speaker, kept string) {
	t := r.t
	config := func(vips ...string) {
		text := backends + "[bgp]\nprovider = \"linode\"\ndcid = 10\n"
		if speaker != "" {
			text += fmt.Sprintf("backend = %q\n", speaker)
		}
		for _, v := range vips {
			f := strings.Split(v, "=")
			text += fmt.Sprintf("[vip.%s]\naddress = %q\nrole = %q\n", f[0], f[1], f[2])
		}
		r.write(lab.HostA, text)
	}
	config(with(vips, "primary")...)
	r.start(lab.HostA)
	r.holds(lab.HostA, 2*time.Minute, with(prefixes, "65000:1")...)
	r.onHost(lab.HostA, "announced")
	text, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if !strings.Contains(string(text), a+"/") {
			t.Errorf("%s is not kept over a reboot:\n%s", a, text)
		}
	}
	r.until("four sessions in status", 20*time.Second, func() (bool, string) {
		v := r.status(lab.HostA)
		return len(v.VIPs) == len(vips) && len(v.VIPs[0].AnnouncedTo) == 4, fmt.Sprintf("%+v", v)
	})

	since := time.Now()
	config(with(vips[:2], "secondary")...)
	r.must(lab.HostA, "apply")
	r.holds(lab.HostA, 20*time.Second, with(prefixes[:2], "65000:2")...)
	for _, server := range r.RouteServers() {
		for _, e := range r.told(lab.HostA, server, since) {
			if what := fmt.Sprintf("%s %s", e.Kind, e.Prefix); strings.HasPrefix(what, "withdraw") && !strings.HasSuffix(what, prefixes[2][:len(prefixes[2])-1]) {
				t.Errorf("%s heard %s: only %s was to go", server, what, prefixes[2])
			}
		}
	}

	since = time.Now()
	heard := func(want ...string) {
		t.Helper()
		for _, server := range r.RouteServers() {
			r.until(fmt.Sprintf("%q at %s", want, server), 20*time.Second, func() (bool, string) {
				var heard []string
				for _, e := range r.told(lab.HostA, server, since) {
					heard = append(heard, string(e.Kind))
				}
				return slices.Equal(heard, want), strings.Join(heard, ", ")
			})
		}
	}
	// The plugin sleeps until the loss is told: it would put the address back so
	// soon that a speaker may leave out the withdrawal before the new route.
	var network int
	r.until("the plugin's process", 20*time.Second, func() (bool, string) {
		network = r.status(lab.HostA).netPlugin().PID
		return network != 0, ""
	})
	if err := syscall.Kill(network, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r.sh(lab.HostA, "ip", "address", "del", "198.18.0.1/32", "dev", "lo")
	heard("withdraw")
	_ = syscall.Kill(network, syscall.SIGCONT) // unless it was killed for its silence, and is another one
	r.until("the lost address", 30*time.Second, func() (bool, string) {
		out := r.sh(lab.HostA, "ip", "-o", "address", "show", "dev", "lo")
		return strings.Contains(out, " 198.18.0.1/32 "), out
	})
	heard("withdraw", "update") // what they have until then is of before
	r.holds(lab.HostA, 20*time.Second, with(prefixes[:2], "65000:2")...)

	since = time.Now()
	r.stop(lab.HostA)
	r.holds(lab.HostA, 5*time.Second)
	for _, server := range r.RouteServers() {
		var heard []string
		r.until("the goodbye at "+server, 5*time.Second, func() (bool, string) {
			heard = nil
			for _, e := range r.told(lab.HostA, server, since) {
				heard = append(heard, strings.TrimSpace(fmt.Sprintf("%s %s", e.Kind, e.Detail)))
			}
			return len(heard) > 0 && strings.Contains(heard[len(heard)-1], "NOTIFICATION 6/"), strings.Join(heard, "; ")
		})
		if len(heard) != 3 || !strings.HasPrefix(heard[0], "withdraw") || !strings.HasPrefix(heard[1], "withdraw") {
			t.Errorf("%s heard %q, want two withdrawals before the Cease", server, heard)
		}
	}
	if out := r.sh(lab.HostA, "ip", "-o", "address", "show", "dev", "lo"); !strings.Contains(out, " 198.18.0.1/32 ") {
		t.Errorf("after SIGTERM the address is gone:\n%s", out)
	}
}
