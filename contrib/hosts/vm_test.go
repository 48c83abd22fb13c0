package hosts_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// emulation is how many times slower than others a VM is.
const emulation = 5

// vmStacks have what a container lacks: a kernel with dummy devices, which
// NetworkManager's backend takes by default, and real udev, which netplan and
// NetworkManager wait for.
func vmStacks() []stack {
	var some []stack
	for _, s := range stacks() {
		if s.suite == hosts.Bookworm && s.core && s.persists() {
			s.table = ""
			some = append(some, s)
		}
	}
	// Other versions of NetworkManager have a dummy device nowhere else.
	for _, suite := range []hosts.Suite{hosts.Bullseye, hosts.Trixie} {
		some = append(some, stack{suite: suite, profile: hosts.NM, backend: "networkmanager", own: restartNM})
	}
	return some
}

// vmRig is a VM with stentor on it.
type vmRig struct {
	*testing.T
	stack
	vm *hosts.VM
}

func newVMRig(t *testing.T, s stack) *vmRig {
	t.Helper()
	if err := binaries(); err != nil {
		t.Fatal(err)
	}
	files := map[string]hosts.File{conf: {Content: configText(s.backend, s.table, web, dns), Mode: 0o644}}
	binary, err := os.ReadFile(filepath.Join(binDir, "stentor"))
	if err != nil {
		t.Fatal(err)
	}
	files["/usr/local/bin/stentor"] = hosts.File{Content: string(binary), Mode: 0o755}
	vm, err := hosts.BootVM(context.Background(), hosts.Options{Suite: s.suite, Profile: s.profile, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(vm.Log())
		}
		if err := vm.Remove(); err != nil {
			t.Error(err)
		}
	})
	return &vmRig{t, s, vm}
}

// must runs a script that has to succeed, and gives its output.
func (r *vmRig) must(script string) string {
	r.Helper()
	res, err := r.vm.Exec(context.Background(), script)
	if err != nil {
		r.Fatal(err)
	}
	if res.Code != 0 {
		r.Fatalf("%s\n%s", script, res)
	}
	return res.Stdout
}

// until waits on the VM for a line of `ip -o address` with each of these in it.
func (r *vmRig) until(addrs ...string) {
	r.Helper()
	var all strings.Builder
	for _, a := range addrs {
		all.WriteString("ip -o address | grep -qF ' " + a + "/' && ")
	}
	r.must("for i in $(seq 1000); do " + all.String() + "exit; sleep 0.2; done; ip address; exit 1")
}

// TestVM: what a container can't show. Addresses last over a power cut that
// comes right after apply has returned, on a host with real udev; and
// NetworkManager has its dummy device.
func TestVM(t *testing.T) {
	if !everything() {
		return // it is no part of the core
	}
	if why := hosts.MissingVM(); why != "" {
		t.Skip(why)
	}
	t.Parallel()
	for _, s := range vmStacks() {
		if !thorough() && s.suite != hosts.Bullseye {
			continue // the rest is in containers too: their NetworkManagers can have lo
		}
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			r := newVMRig(t, s)
			r.undisturbed("stentor apply")
			if err := r.vm.PowerCut(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := r.vm.Start(context.Background()); err != nil {
				t.Fatal(err)
			}
			r.until(web, dns) // nothing starts stentor there, and boots wait for the uplink alone
			if out := r.must("stentor apply"); !strings.Contains(out, ", 0 changes;") {
				t.Errorf("after the power cut: %s", out)
			}
			// netplan's own apply, with real udev, is the one that flaps.
			r.must(s.own)
			r.until(strings.TrimSuffix(hosts.Uplink4, "/24"))
			r.must("set -e; stentor apply; ping -c1 -W5 " + hosts.Gateway4 + "; ping -c1 -W5 ::1; ping -c1 -W5 127.0.0.1")
			r.holds()
			if s.backend == "networkmanager" { // containers show the others
				r.dummy()
			}
		})
	}
}

// undisturbed runs a script that has to succeed, and expects that no address
// goes away meanwhile: not ::1 either, with NetworkManager on its dummy device.
func (r *vmRig) undisturbed(script string) {
	r.Helper()
	// The kernel tells in order: what lies between the two marks is the script's.
	seen := r.must(`ip -o monitor address >/run/seen & monitor=$!
mark() {
	for i in $(seq 1000); do
		ip address replace $1 dev lo; ip address del $1 dev lo
		grep -qF "Deleted" /run/seen && grep -qF " $1/32 " /run/seen && return; sleep 0.1
	done
	return 1
}
mark 192.0.2.250 && { ` + script + `; } >&2 && mark 192.0.2.251; code=$?
kill $monitor; cat /run/seen; exit $code`)
	for line := range strings.Lines(seen) {
		if strings.HasPrefix(line, "Deleted") && !strings.Contains(line, " 192.0.2.25") {
			r.Errorf("%s: %s", script, line)
		}
	}
}

func (r *vmRig) holds() {
	r.Helper()
	var shared []string
	for line := range strings.Lines(r.must("ip -o address")) {
		if f := strings.Fields(line); strings.HasPrefix(f[3], web+"/") || strings.HasPrefix(f[3], dns+"/") {
			shared = append(shared, f[3])
		}
	}
	slices.Sort(shared)
	if d := cmp.Diff([]string{dns + "/128", web + "/32"}, shared); d != "" {
		r.Errorf("shared IPs (-want +got):\n%s", d)
	}
}

// dummy runs the conformance suite on a dummy device.
func (r *vmRig) dummy() {
	r.Helper()
	out := r.must("ip -o -d link show dev stentor0; nmcli -g GENERAL.TYPE,GENERAL.STATE device show stentor0")
	for _, say := range []string{" dummy ", "dummy\n100 "} {
		if !strings.Contains(out, say) {
			r.Errorf("no word of %q:\n%s", say, out)
		}
	}
	r.must("cat >" + conf + " <<'END'\n" + configText(r.backend, r.table) + "END\nstentor apply && ! ip link show dev stentor0")
	r.must("stentor plugins verify --here --slowness " + strconv.Itoa(emulation) + " --folder /etc --folder /run/systemd/network " + r.backend)
}
