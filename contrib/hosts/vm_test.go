package hosts_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/hosts"
)

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
	if err := binaries(); err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(filepath.Join(binDir, "stentor"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stacks() {
		if s.suite != hosts.Bookworm || !s.core || !s.persists() {
			continue
		}
		t.Run(string(s.profile), func(t *testing.T) {
			ctx := context.Background()
			vm, err := hosts.BootVM(ctx, hosts.Options{Suite: s.suite, Profile: s.profile, Files: map[string]hosts.File{
				"/usr/local/bin/stentor": {Content: string(binary), Mode: 0o755},
				conf:                     {Content: configText(s.backend, "", web, dns), Mode: 0o644},
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if t.Failed() {
					t.Log(vm.Log())
				}
				if err := vm.Remove(); err != nil {
					t.Error(err)
				}
			}()
			must := func(script string) string {
				t.Helper()
				r, err := vm.Exec(ctx, script)
				if err != nil {
					t.Fatal(err)
				}
				if r.Code != 0 {
					t.Fatalf("%s\n%s", script, r)
				}
				return r.Stdout
			}
			must("stentor apply")
			if err := vm.PowerCut(ctx); err != nil {
				t.Fatal(err)
			}
			if err := vm.Start(ctx); err != nil {
				t.Fatal(err)
			}
			// Boots wait for the uplink alone.
			must("for i in $(seq 100); do ip -o address | grep -q ' " + dns + "/' && ip -o address | grep -q ' " + web + "/' && exit; sleep 0.2; done; ip address; exit 1")
			if out := must("stentor apply"); !strings.Contains(out, ", 0 changes;") {
				t.Errorf("after the power cut: %s", out)
			}
			// netplan's own apply, with real udev, is the one that flaps.
			if s.own != "" {
				must(s.own + "; for i in $(seq 100); do ip -o address show dev eth0 | grep -q ' " + hosts.Uplink4 + "' && exit; sleep 0.2; done; exit 1")
			}
			must("set -e; stentor apply; ping -c1 -W5 " + hosts.Gateway4 + "; ping -c1 -W5 ::1; ping -c1 -W5 127.0.0.1")
			var shared []string
			for line := range strings.Lines(must("ip -o address")) {
				if f := strings.Fields(line); strings.HasPrefix(f[3], web+"/") || strings.HasPrefix(f[3], dns+"/") {
					shared = append(shared, f[3])
				}
			}
			slices.Sort(shared)
			if d := cmp.Diff([]string{dns + "/128", web + "/32"}, shared); d != "" {
				t.Errorf("shared IPs (-want +got):\n%s", d)
			}
		})
	}
}
