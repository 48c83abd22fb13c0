package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stentor.toml")
	write(t, path, text)
	cfg, _, err := config.Load(path, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestSameConfig(t *testing.T) {
	replace := func(old, new string) string {
		t.Helper()
		if !strings.Contains(sound, old) {
			t.Fatalf("%q is not in the config", old)
		}
		return strings.Replace(sound, old, new, 1)
	}
	tests := map[string]struct {
		text string
		want bool
	}{
		"the same":          {sound, true},
		"comments, spaces":  {"# moved down\n\n\n" + replace("asn = 65001", "asn=65_001 # ours"), true},
		"a default written": {sound + "link = \"lo\"\n", true},
		"role":              {replace("primary", "secondary"), false},
		"address":           {replace("203.0.113.10", "203.0.113.11"), false},
		"name":              {replace("vip.web", "vip.www"), false},
		"asn":               {replace("65001", "65002"), false},
		"peer":              {replace("192.0.2.1\"", "192.0.2.2\""), false},
		"status page":       {sound + "[http]\nlisten = \"127.0.0.1:9600\"\n", false},
		"hold-down":         {"[network]\nhold_down = \"1s\"\n" + sound, false},
	}
	for name, tt := range tests {
		if got := sameConfig(parse(t, sound), parse(t, tt.text)); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSameBackends(t *testing.T) {
	table := sound + "[backend.fakebgp]\nkey = 1\n"
	tests := map[string]struct {
		old, new string
		want     string // what a reload can't change; empty: nothing
	}{
		"the same":                 {sound, sound, ""},
		"another role":             {sound, strings.Replace(sound, "primary", "secondary", 1), ""},
		"network backend":          {sound, "[network]\nbackend = \"fakenet\"\n" + sound, "[network] backend"},
		"bgp backend":              {sound, strings.Replace(sound, "fakebgp", "otherbgp", 1), ""},
		"with its table":           {sound, strings.Replace(sound, "fakebgp", "otherbgp", 1) + "[backend.otherbgp]\nkey = 1\n", ""},
		"the table of one at work": {sound, table, "[backend.fakebgp]"},
		"both": {sound, "[network]\nbackend = \"fakenet\"\n" + table,
			"[backend.fakebgp], [network] backend"},
		"another value":      {table, strings.Replace(table, "key = 1", "key = 2", 1), "[backend.fakebgp]"},
		"a table that went":  {table, sound, "[backend.fakebgp]"},
		"an empty one, come": {sound, sound + "[backend.fakebgp]\n", ""},
		"an empty one, gone": {sound + "[backend.fakebgp]\n", sound, ""},
	}
	d := &Daemon{Options: options(t, sound)}
	if _, err := d.Registry.OpenBGP(t.Context(), "fakebgp", nil); err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		err := d.sameBackends(parse(t, tt.old), parse(t, tt.new))
		var refused *control.Error
		switch {
		case tt.want == "" && err == nil:
		case !errors.As(err, &refused), refused.Kind != control.KindConfig, !strings.Contains(err.Error(), "can't change "+tt.want+";"):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReload: what is taken over, what is refused, and that a refusal changes nothing.
func TestReload(t *testing.T) {
	o := options(t, sound)
	hups := make(chan os.Signal)
	client, _ := start(t, o, hups)
	now := func() *status.Status { return statusOf(t, client) }

	if done, err := client.Reload(t.Context()); err != nil || done.Generation != 1 {
		t.Errorf("the same config: %+v, %v", done, err)
	}
	write(t, o.Config, sound+"[vip.mail]\naddress = \"203.0.113.25/32\"\nrole = \"secondary\"\n")
	if done, err := client.Reload(t.Context()); err != nil || done.Generation != 2 || len(done.Warnings) != 0 {
		t.Errorf("one more VIP: %+v, %v", done, err)
	}
	eventually(t, "mail is in the status", func() bool { return find(now(), "mail").Role == "secondary" })

	refusals := map[string]struct{ text, mention string }{
		"a mistake":       {strings.Replace(sound, "primary", "primry", 1), `:11:8: role can't be "primry"`},
		"no TOML":         {"[bgp", o.Config + ":1:"},
		"another backend": {"[network]\nbackend = \"fakenet\"\n" + sound, "Restart the daemon instead"},
	}
	for name, r := range refusals {
		write(t, o.Config, r.text)
		_, err := client.Reload(t.Context())
		var e *control.Error
		if !errors.As(err, &e) || e.Kind != control.KindConfig || !strings.Contains(e.Message, r.mention) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := client.Diff(t.Context()); !errors.As(err, &e) || e.Kind != control.KindConfig {
			t.Errorf("%s: diff: %v", name, err)
		}
		if s := now(); s.Generation != 2 || len(s.VIPs) != 2 {
			t.Errorf("%s: generation %d with %d VIPs", name, s.Generation, len(s.VIPs))
		}
	}
	if err := os.Remove(o.Config); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Reload(t.Context()); err == nil {
		t.Error("a config that is gone was taken over")
	}

	write(t, o.Config, "# no VIP\n"+sound[:strings.Index(sound, "[vip.web]")])
	done, err := client.Reload(t.Context())
	if err != nil || done.Generation != 3 || len(done.Warnings) != 1 || done.Warnings[0].Msg != "no VIP is defined" {
		t.Errorf("a warning: %+v, %v", done, err)
	}
	write(t, o.Config, sound)
	hups <- syscall.SIGHUP
	eventually(t, "SIGHUP is done", func() bool { return now().Generation == 4 })
}

func statusOf(t *testing.T, client *control.Client) *status.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := decodeStatus(client.Status(ctx))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDrain: names are checked before anything is done, and a drain outlives
// its daemon.
func TestDrain(t *testing.T) {
	o := options(t, sound)
	client, stop := start(t, o, nil)
	err := client.Drain(t.Context(), control.DrainRequest{VIPs: []string{"web", "nosuch"}})
	var e *control.Error
	if !errors.As(err, &e) || e.Kind != control.KindConfig || e.Message != `no VIP is called "nosuch"; there are: web` {
		t.Errorf("%v", err)
	}
	drains := filepath.Join(o.StateDir, "drain.json")
	if _, err := os.Stat(drains); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("web was drained along: %v", err)
	}
	if err := client.Drain(t.Context(), control.DrainRequest{VIPs: []string{"web"}, Reason: "disk"}); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(drains); err != nil || !strings.Contains(string(raw), `"disk"`) {
		t.Errorf("%s, %v", raw, err)
	}
	client, _ = start(t, o, nil)
	if err := client.Undrain(t.Context(), control.UndrainRequest{VIPs: []string{"nosuch"}}); !errors.As(err, &e) || e.Kind != control.KindConfig {
		t.Errorf("%v", err)
	}
	if err := client.Undrain(t.Context(), control.UndrainRequest{}); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile(drains); err != nil || strings.Contains(string(raw), "web") {
		t.Errorf("%s, %v", raw, err)
	}
}

// TestRunRefuses: why a daemon does not start, and that it leaves nothing.
func TestRunRefuses(t *testing.T) {
	never := func(t *testing.T, o Options) error {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := Run(ctx, o, nil, nil)
		if ctx.Err() != nil {
			t.Fatal("it started")
		}
		return err
	}
	t.Run("a mistake in the config", func(t *testing.T) {
		o := options(t, strings.Replace(sound, "primary", "primry", 1))
		var invalid *config.Invalid
		if err := never(t, o); !errors.As(err, &invalid) {
			t.Error(err)
		}
		if _, err := os.Stat(o.Socket); err == nil {
			t.Error("a socket is there")
		}
	})
	t.Run("another daemon on the state", func(t *testing.T) {
		o := options(t, sound)
		unlock, err := Lock(o.StateDir)
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		var e *control.Error
		if err := never(t, o); !errors.As(err, &e) || e.Kind != control.KindRefused {
			t.Error(err)
		}
	})
	t.Run("another daemon on the socket", func(t *testing.T) {
		o := options(t, sound)
		l, err := control.Listen(o.Socket)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		var e *control.Error
		if err := never(t, o); !errors.As(err, &e) || e.Kind != control.KindRefused || !strings.Contains(e.Message, o.Socket) {
			t.Error(err)
		}
	})
}

func TestLocate(t *testing.T) {
	cfg := parse(t, sound+"[backend.fakebgp]\nvtysh = \"bin/vtysh\"\n")
	wrong := &plugins.ConfigError{Key: "vtysh", Msg: "must be an absolute path"}
	var invalid *config.Invalid
	err := Locate(cfg, fmt.Errorf("open: %w", &registry.SettingsError{Backend: "fakebgp", Err: wrong}))
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), ":13:") || !strings.Contains(err.Error(), wrong.Msg) {
		t.Errorf("a backend's own mistake: %v", err)
	}
	if got := Locate(cfg, plugins.ErrUnavailable); got != plugins.ErrUnavailable {
		t.Errorf("any other error: %v", got)
	}
}
