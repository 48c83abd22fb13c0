package networkd

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

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/netbackends/internal/networkd"
	"github.com/stentor-net/stentor/plugins"
)

var update = flag.Bool("update", false, "write the golden files anew")

var want = []plugins.VIP{
	{Name: "dns", Addr: netip.MustParseAddr("2001:db8::10"), Link: "lo"},
	{Name: "web", Addr: netip.MustParseAddr("203.0.113.10"), Link: "lo"},
}

// image is a root folder with files in it.
func image(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func backend(t *testing.T, root string) *Backend {
	t.Helper()
	b := New(slog.New(slog.DiscardHandler), &detect.Glance{})
	if err := b.Configure(context.Background(), plugins.Config{StateDir: t.TempDir(), Root: root}); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	for name, content := range map[string][]byte{
		"whole.network": hostfile.Seal(render(own, want, true)),
		"part.conf":     hostfile.Seal(render(folder+"10-netplan-lo.network.d/"+extra, want, false)),
	} {
		golden := filepath.Join("testdata", name)
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
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	if m := networkd.MatchesLo(render(own, want, true)); m != networkd.MatchExact {
		t.Errorf("our own file matches lo: %v", m)
	}
}

// TestWhere decides by the files that are there already.
func TestWhere(t *testing.T) {
	const lo = "[Match]\nName=lo\n"
	tests := []struct {
		name  string
		files map[string]string
		at    string
		say   string
		is    error
	}{
		{name: "nothing for lo", files: map[string]string{"etc/systemd/network/20-eth0.network": "[Match]\nName=eth0\n"}, at: own},
		{name: "their file for lo, later", files: map[string]string{"etc/systemd/network/20-lo.network": lo}, at: folder + "20-lo.network.d/" + extra},
		{name: "netplan's", files: map[string]string{"run/systemd/network/10-netplan-lo.network": lo, "etc/systemd/network/x": ""}, at: folder + "10-netplan-lo.network.d/" + extra},
		{name: "a wildcard, later", files: map[string]string{"etc/systemd/network/99-any.network": "[Match]\nName=*\n"}, at: own},
		{name: "a wildcard, earlier", files: map[string]string{"etc/systemd/network/00-any.network": "[Match]\nName=*\n"},
			say: "/etc/systemd/network/00-any.network takes lo by a wildcard", is: plugins.ErrUnsupported},
		{name: "under a condition", files: map[string]string{"etc/systemd/network/20-lo.network": lo + "Virtualization=vm\n"},
			say: "/etc/systemd/network/20-lo.network is for lo under a condition", is: plugins.ErrUnsupported},
		{name: "a foreign file of our name", files: map[string]string{own[1:]: "[Match]\nName=eth9\n"}, say: own, is: plugins.ErrForeign},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := image(t, tt.files)
			b := backend(t, root)
			err := b.Apply(context.Background(), want)
			if tt.say != "" {
				if err == nil || !strings.Contains(err.Error(), tt.say) || !errors.Is(err, tt.is) {
					t.Errorf("error %v, want it to say %q", err, tt.say)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			st, err := os.Stat(filepath.Join(root, tt.at))
			if err != nil || st.Mode() != 0o644 {
				t.Errorf("%v, %v", st, err)
			}
			if err := b.Apply(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			for name := range tt.files {
				if b, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(b) != tt.files[name] {
					t.Errorf("their %s: %q, %v", name, b, err)
				}
			}
			ours, err := filepath.Glob(filepath.Join(root, folder, "*.d"))
			if _, again := os.Stat(filepath.Join(root, tt.at)); !errors.Is(again, os.ErrNotExist) || err != nil || len(ours) > 0 {
				t.Errorf("left: %v, %q", again, ours)
			}
		})
	}
}

// TestTheirFileComesAndGoes: our part moves along, and is never in two places.
func TestTheirFileComesAndGoes(t *testing.T) {
	root := image(t, map[string]string{"etc/systemd/network/x": ""})
	b := backend(t, root)
	theirs := filepath.Join(root, "etc/systemd/network/05-lo.network")
	for _, step := range []struct {
		do  func() error
		at  string
		not string
	}{
		{func() error { return nil }, own, folder + "05-lo.network.d"},
		{func() error { return os.WriteFile(theirs, []byte("[Match]\nName=lo\n"), 0o644) }, folder + "05-lo.network.d/" + extra, own},
		{func() error { return os.Remove(theirs) }, own, folder + "05-lo.network.d"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if err := b.Apply(context.Background(), want); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(root, step.at)); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(root, step.not)); err == nil {
			t.Errorf("%s is there too", step.not)
		}
	}
}

func TestConfigure(t *testing.T) {
	err := New(slog.New(slog.DiscardHandler), &detect.Glance{}).Configure(context.Background(), plugins.Config{StateDir: t.TempDir(), Settings: map[string]any{"x": 1}})
	var mistake *plugins.ConfigError
	if !errors.As(err, &mistake) || mistake.Key != "x" {
		t.Errorf("error %v", err)
	}
}

func TestOrphans(t *testing.T) {
	const at = "/etc/systemd/network/30-lo.network.d/50-stentor.conf"
	places := []hostfile.Want{{Path: own}, {Path: at}}
	tests := []struct {
		name string
		used []networkd.File
		want int
	}{
		{"its file is there", []networkd.File{{Path: "/etc/systemd/network/30-lo.network"}, {Path: own}}, 0},
		{"its file is gone", nil, 1},
		{"another one goes before", []networkd.File{{Path: "/etc/systemd/network/20-lo.network"}, {Path: "/etc/systemd/network/30-lo.network"}}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := orphans(places, tt.used)
			if len(got) != tt.want || tt.want > 0 && got[0].Path != at {
				t.Errorf("%+v", got)
			}
		})
	}
}
