package netplan

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/plugins"
)

var update = flag.Bool("update", false, "write the golden files anew")

var want = []plugins.VIP{
	{Name: "dns", Addr: netip.MustParseAddr("2001:db8::10"), Link: "lo"},
	{Name: "web", Addr: netip.MustParseAddr("203.0.113.10"), Link: "lo"},
}

func TestGolden(t *testing.T) {
	content := hostfile.Seal(render("lo", want))
	const golden = "testdata/60-stentor.yaml"
	if *update {
		if err := os.WriteFile(golden, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	expected, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(expected), string(content)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	var doc any
	if err := yaml.Unmarshal(content, &doc); err != nil {
		t.Error(err)
	}
}

func TestIDOfLo(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string // below etc/netplan unless they begin with a folder
		id    string
		say   string
	}{
		{name: "none", id: "lo"},
		{name: "eth0 alone", files: map[string]string{"1.yaml": "network:\n  ethernets:\n    eth0: {dhcp4: true}\n"}, id: "lo"},
		{name: "plain lo", files: map[string]string{"1.yaml": "network:\n  ethernets:\n    lo: {addresses: [192.0.2.1/32]}\n"}, id: "lo"},
		{name: "another id", files: map[string]string{"1.yaml": "network:\n  ethernets:\n    foo:\n      match: {name: lo}\n"}, id: "foo"},
		{name: "two ids", files: map[string]string{"1.yaml": "network:\n  ethernets:\n    zoo: {match: {name: lo}}\n    foo: {match: {name: \"lo\"}}\n"}, id: "foo"},
		{name: "id lo that is eth0", files: map[string]string{"1.yaml": "network:\n  ethernets:\n    lo: {match: {macaddress: \"00:11:22:33:44:55\"}}\n    foo: {match: {name: lo}}\n"}, id: "foo"},
		{name: "match in a second file", files: map[string]string{"1.yaml": "network:\n  ethernets:\n    foo: {mtu: 9000}\n", "2.yaml": "network:\n  ethernets:\n    foo: {match: {name: lo}}\n"}, id: "foo"},
		{name: "shadowed file", files: map[string]string{"run/netplan/1.yaml": "network: {}\n", "etc/netplan/1.yaml": "network:\n  ethernets:\n    foo: {match: {name: lo}}\n"}, id: "lo"},
		{name: "from /lib", files: map[string]string{"lib/netplan/1.yaml": "network:\n  ethernets:\n    foo: {match: {name: lo}}\n"}, id: "foo"},
		{name: "anchor", files: map[string]string{"1.yaml": "network:\n  ethernets:\n    foo: {match: &m {name: lo}}\n    goo: {match: *m}\n"}, id: "foo"},
		{name: "wildcard", files: map[string]string{"1.yaml": "network:\n  ethernets:\n    all: {match: {name: \"*\"}}\n"}, say: `/etc/netplan/1.yaml:3: "all" matches lo among other links`},
		{name: "wildcard that is not lo", files: map[string]string{"1.yaml": "network:\n  ethernets:\n    all: {match: {name: \"e*\"}}\n"}, id: "lo"},
		{name: "renderer for all", files: map[string]string{"1.yaml": "network:\n  renderer: NetworkManager\n"}, say: "the networkmanager backend serves it"},
		{name: "renderer for ethernets", files: map[string]string{"1.yaml": "network:\n  ethernets:\n    renderer: NetworkManager\n"}, say: "the networkmanager backend serves it"},
		{name: "renderer of lo", files: map[string]string{"1.yaml": "network:\n  ethernets:\n    lo: {renderer: NetworkManager}\n"}, say: "/etc/netplan/1.yaml:3"},
		{name: "lo's own renderer", files: map[string]string{"1.yaml": "network:\n  renderer: NetworkManager\n  ethernets:\n    lo: {renderer: networkd}\n"}, id: "lo"},
		{name: "a later file", files: map[string]string{"1.yaml": "network:\n  renderer: NetworkManager\n", "2.yaml": "network:\n  renderer: networkd\n"}, id: "lo"},
		{name: "our own file does not count", files: map[string]string{"60-stentor.yaml": "network:\n  ethernets:\n    foo: {match: {name: lo}}\n"}, id: "lo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range tt.files {
				if !strings.Contains(name, "/") {
					name = "etc/netplan/" + name
				}
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			c, err := readConfig(root)
			if err != nil {
				t.Fatal(err)
			}
			id, err := c.lo()
			if tt.say != "" {
				if !errors.Is(err, plugins.ErrUnsupported) || !strings.Contains(err.Error(), tt.say) {
					t.Errorf("error %v, want it to say %q", err, tt.say)
				}
				return
			}
			if err != nil || id != tt.id {
				t.Errorf("id %q, %v; want %q", id, err, tt.id)
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	for name, text := range map[string]string{"tab": "network:\n\tversion: 2\n", "cut off": "network: {", "huge": strings.Repeat("#", netfiles.MaxFile+1)} {
		root := fstest.MapFS{"etc/netplan/1.yaml": {Data: []byte(text)}}
		if _, err := readConfig(root); err == nil || !strings.Contains(err.Error(), "/etc/netplan/1.yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestImage writes into a root folder in which nothing runs.
func TestImage(t *testing.T) {
	root := t.TempDir()
	const theirs = "network:\n  version: 2\n  ethernets:\n    foo:\n      match: {name: lo}\n"
	if err := errors.Join(os.Chmod(root, 0o755), os.MkdirAll(filepath.Join(root, "etc/netplan"), 0o755), os.MkdirAll(filepath.Join(root, "etc/systemd/network"), 0o755),
		os.WriteFile(filepath.Join(root, "etc/netplan/50-theirs.yaml"), []byte(theirs), 0o600)); err != nil {
		t.Fatal(err)
	}
	b := New(slog.New(slog.DiscardHandler), &detect.Glance{})
	if err := b.Configure(context.Background(), plugins.Config{StateDir: t.TempDir(), Root: root}); err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(context.Background(), want); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(root, own))
	if err != nil || !strings.Contains(string(content), "\"foo\":\n      match: {name: lo}\n") {
		t.Errorf("%s\n%v", content, err)
	}
	if st, err := os.Stat(filepath.Join(root, own)); err != nil || st.Mode() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	// The image has no systemd, so its version can't be told: the guard is in.
	if _, err := os.Stat(filepath.Join(root, "etc/systemd/network/10-netplan-foo.network.d", guardName)); err != nil {
		t.Error(err)
	}
	if err := b.Apply(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	for dir, count := range map[string]int{"etc/netplan": 1, "etc/systemd/network": 0} {
		if rest, err := os.ReadDir(filepath.Join(root, dir)); err != nil || len(rest) != count {
			t.Errorf("left in %s: %v, %v", dir, rest, err)
		}
	}
}

func TestRefusesNetworkManager(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.Chmod(root, 0o755), os.MkdirAll(filepath.Join(root, "etc/netplan"), 0o755),
		os.WriteFile(filepath.Join(root, "etc/netplan/1.yaml"), []byte("network: {renderer: NetworkManager}\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	b := New(slog.New(slog.DiscardHandler), &detect.Glance{})
	if err := b.Configure(context.Background(), plugins.Config{StateDir: t.TempDir(), Root: root}); err != nil {
		t.Fatal(err)
	}
	d, err := b.Detect(context.Background())
	if err != nil || d.Score != 0 || !strings.Contains(d.Why, "the networkmanager backend serves it") {
		t.Errorf("Detect: %+v, %v", d, err)
	}
	if err := b.Apply(context.Background(), want); !errors.Is(err, plugins.ErrUnsupported) {
		t.Errorf("Apply: %v", err)
	}
}

// FuzzConfig looks for YAML that makes the reader fail badly, or choose an id
// that would break our own file.
func FuzzConfig(f *testing.F) {
	f.Add("network:\n  renderer: networkd\n  ethernets:\n    foo:\n      match: {name: lo}\n")
	f.Add("network: &a\n  ethernets: *a\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := readConfig(fstest.MapFS{"etc/netplan/1.yaml": {Data: []byte(text)}})
		if err != nil {
			return
		}
		id, err := c.lo()
		if err != nil {
			return
		}
		var doc struct {
			Network struct {
				Ethernets map[string]struct{ Addresses []any }
			}
		}
		if err := yaml.Unmarshal(render(id, want), &doc); err != nil {
			t.Fatalf("id %q: %v\n%s", id, err, render(id, want))
		}
		if n := len(doc.Network.Ethernets[id].Addresses); n != 2 {
			t.Errorf("id %q: %d addresses\n%s", id, n, render(id, want))
		}
	})
}
