package networkmanager

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/plugins"
)

// newImage is a system that does not run.
func newImage(t *testing.T) (root string, configure func(settings map[string]any, force bool) *Backend) {
	t.Helper()
	root, state := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, filepath.Dir(fileName)), 0o755); err != nil {
		t.Fatal(err)
	}
	// TempDir's own mode is 0777 less the umask.
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	return root, func(settings map[string]any, force bool) *Backend {
		b := New(slog.New(slog.DiscardHandler), &detect.Glance{})
		if err := b.Configure(context.Background(), plugins.Config{Settings: settings, StateDir: state, Root: root, Force: force}); err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func TestImage(t *testing.T) {
	root, configure := newImage(t)
	path := filepath.Join(root, fileName)
	b := configure(nil, false)
	ctx := context.Background()
	want := vips(dns, "web 203.0.113.11", web)
	want[1].Name = "api"

	plan, err := b.Plan(ctx, want)
	if err != nil || len(plan.Steps) != 1 || plan.Steps[0].Verb != "add" || !strings.Contains(plan.Steps[0].Diff, "+address1=203.0.113.10/32") {
		t.Errorf("Plan: %+v, %v", plan, err)
	}
	if err := b.Apply(ctx, want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile("testdata/dummy.nmconnection")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(golden), string(got)); d != "" {
		t.Errorf("(-golden +written):\n%s", d)
	}
	before, err := os.Stat(path)
	if err != nil || before.Mode() != 0o600 {
		t.Errorf("mode %v, %v", before.Mode(), err)
	}
	if err := b.Apply(ctx, want); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Error("a second Apply wrote the file again")
	}
	states, err := b.Observe(ctx)
	if err != nil || len(states) != 3 || states[0].OnHost {
		t.Errorf("Observe: %+v, %v", states, err)
	}
	if err := b.Apply(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it left the file: %v", err)
	}
}

// A profile that is open to others is not read by NetworkManager.
func TestImageModeIsMended(t *testing.T) {
	root, configure := newImage(t)
	path := filepath.Join(root, fileName)
	if err := configure(nil, false).Apply(context.Background(), vips(web)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := configure(nil, false).Apply(context.Background(), vips(web)); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestImageRefuses(t *testing.T) {
	ours := string(newProfile(dummy, addrs("203.0.113.10")).keyfile().bytes())
	for _, tt := range []struct {
		name, file, say string
		is              error
	}{
		{"a foreign keyfile", "[connection]\nid=stentor\ntype=dummy\n", "has no mark of ours", plugins.ErrForeign},
		{"no keyfile", "hello", "no keyfile", plugins.ErrForeign},
		{"an edited one", ours + "dns=192.0.2.53;\n", "was edited by somebody", plugins.ErrForeign},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, configure := newImage(t)
			path := filepath.Join(root, fileName)
			if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			err := configure(nil, false).Apply(context.Background(), vips(web))
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("Apply: %v", err)
			}
			if got, _ := os.ReadFile(path); string(got) != tt.file {
				t.Errorf("the file is now %q", got)
			}
		})
	}
}

func TestImageWithoutNetworkManager(t *testing.T) {
	root, configure := newImage(t)
	b := configure(nil, false)
	if err := os.RemoveAll(filepath.Join(root, "etc")); err != nil {
		t.Fatal(err)
	}
	err := b.Apply(context.Background(), vips(web))
	if !errors.Is(err, plugins.ErrUnsupported) || !strings.Contains(err.Error(), "is NetworkManager installed there?") {
		t.Errorf("Apply: %v", err)
	}
	if err := b.Apply(context.Background(), nil); err != nil {
		t.Errorf("Apply of nothing: %v", err)
	}
	if d, err := b.Detect(context.Background()); err != nil || d.Score != 0 {
		t.Errorf("Detect: %+v, %v", d, err)
	}
}

func TestImageIsDetected(t *testing.T) {
	root, configure := newImage(t)
	profile := filepath.Join(root, "etc/NetworkManager/system-connections/eth0.nmconnection")
	if err := os.WriteFile(profile, []byte("[connection]\nid=eth0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := configure(nil, false).Detect(context.Background())
	if err != nil || d.Score != 50 {
		t.Errorf("Detect: %+v, %v", d, err)
	}
}

func TestImageForce(t *testing.T) {
	root, configure := newImage(t)
	path := filepath.Join(root, fileName)
	edited := string(newProfile(dummy, addrs("203.0.113.10")).keyfile().bytes()) + "dns=192.0.2.53;\n"
	if err := os.WriteFile(path, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	b := configure(nil, true)
	if err := b.Apply(context.Background(), vips(web)); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); strings.Contains(string(got), "dns=") {
		t.Errorf("the file is still %q", got)
	}
	if kept, err := os.ReadFile(filepath.Join(b.store.dir, "stentor.nmconnection.edited")); err != nil || string(kept) != edited {
		t.Errorf("the copy is %q, %v", kept, err)
	}
}

func TestConfigure(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		settings map[string]any
		want     device
		say      string
	}{
		{nil, dummy, ""},
		{map[string]any{"device": "dummy"}, dummy, ""},
		{map[string]any{"device": "lo"}, loopback, ""},
		{map[string]any{"device": "eth0"}, dummy, `device: "eth0" is no device that addresses can be put on`},
		{map[string]any{"devise": "lo"}, dummy, "devise: unknown key"},
	} {
		b := New(slog.New(slog.DiscardHandler), &detect.Glance{})
		err := b.Configure(ctx, plugins.Config{Settings: tt.settings, StateDir: t.TempDir()})
		if err == nil && tt.say != "" || err != nil && err.Error() != tt.say {
			t.Errorf("%v: %v", tt.settings, err)
		}
		if b.device.link != tt.want.link {
			t.Errorf("%v: on %s", tt.settings, b.device.link)
		}
	}
}
