package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

func TestLoadLinode(t *testing.T) {
	got := mustLoad(t, `
[bgp]
provider  = "linode"
region    = "nl-ams"
router_id = "192.0.2.7"
[bgp.peer.rs4]
hold_time = "30s"
[vip.web]
address = "203.0.113.10/32"
role    = "primary"
[vip.db]
address = "2001:db8::/64"
role    = "secondary"
`)
	peer := func(n int) plugins.Peer {
		return plugins.Peer{
			Name: fmt.Sprintf("rs%d", n), Addr: netip.MustParseAddr(fmt.Sprintf("2600:3c0f:22:34::%d", n)), ASN: 65000,
			Hold: 9 * time.Second, Keepalive: 3 * time.Second, ConnectRetry: 2 * time.Second, TTL: 16,
		}
	}
	slow := peer(4)
	slow.Hold, slow.Keepalive = 30*time.Second, 10*time.Second
	primary, secondary := plugins.Community(65000<<16|1), plugins.Community(65000<<16|2)
	want := &Config{
		Files:   []string{"test.toml"},
		Network: Network{Backend: "auto", HoldDown: 500 * time.Millisecond},
		History: History{MaxSize: 4 << 20},
		BGP: BGP{
			Backend: "native", Provider: "linode", ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.7"),
			Peers:      []plugins.Peer{peer(1), peer(2), peer(3), slow},
			DrainGrace: 2 * time.Second, OnExit: OnExitWithdraw, OnRestart: OnRestartStop,
		},
		VIPs: []VIP{
			{
				Name: "db", Addr: netip.MustParseAddr("2001:db8::1"), Prefix: netip.MustParsePrefix("2001:db8::/64"), Link: "lo", Role: Secondary,
				Attrs:        Attrs{Communities: []plugins.Community{secondary}},
				DrainAttrs:   Attrs{Communities: []plugins.Community{secondary, plugins.GracefulShutdown}},
				DemotedAttrs: Attrs{Communities: []plugins.Community{secondary}, Prepend: 4},
				Failover:     Failover{OnUnhealthy: UnhealthyWithdraw},
			},
			{
				Name: "web", Addr: netip.MustParseAddr("203.0.113.10"), Prefix: netip.MustParsePrefix("203.0.113.10/32"), Link: "lo", Role: Primary,
				Attrs:        Attrs{Communities: []plugins.Community{primary}},
				DrainAttrs:   Attrs{Communities: []plugins.Community{secondary, plugins.GracefulShutdown}},
				DemotedAttrs: Attrs{Communities: []plugins.Community{secondary}, Prepend: 2},
				Failover:     Failover{OnUnhealthy: UnhealthyWithdraw},
			},
		},
		Backends: map[string]map[string]any{},
	}
	if diff := cmp.Diff(want, got, ignoreIndex, netipValues); diff != "" {
		t.Error(diff)
	}
}

// TestPeerOptions: [bgp.peer.NAME] goes before [bgp], and that before the provider.
func TestPeerOptions(t *testing.T) {
	const head = `
[bgp]
provider = "linode"
dcid = 4
%s
[bgp.peer.rs1]
%s
`
	base := plugins.Peer{
		Name: "rs1", Addr: netip.MustParseAddr("2600:3c0f:4:34::1"), ASN: 65000,
		Hold: 9 * time.Second, Keepalive: 3 * time.Second, ConnectRetry: 2 * time.Second, TTL: 16,
	}
	for _, c := range []struct {
		name, all, own string
		want           func(*plugins.Peer)
	}{
		{"nothing", "", "", func(*plugins.Peer) {}},
		{"hold brings its keepalive", `hold_time = "30s"`, "", func(p *plugins.Peer) { p.Hold, p.Keepalive = 30*time.Second, 10*time.Second }},
		{"hold of the peer drops the keepalive of all", "hold_time = \"30s\"\nkeepalive = \"7s\"", `hold_time = "12s"`, func(p *plugins.Peer) { p.Hold, p.Keepalive = 12*time.Second, 4*time.Second }},
		{"keepalive of the peer", `hold_time = "30s"`, `keepalive = "2s"`, func(p *plugins.Peer) { p.Hold, p.Keepalive = 30*time.Second, 2*time.Second }},
		{"shortest hold", `hold_time = "3s"`, "", func(p *plugins.Peer) { p.Hold, p.Keepalive = 3*time.Second, time.Second }},
		{"no hold", `hold_time = "0s"`, "", func(p *plugins.Peer) { p.Hold, p.Keepalive = 0, 0 }},
		{"retry", `connect_retry = "9s"`, "", func(p *plugins.Peer) { p.ConnectRetry = 9 * time.Second }},
		{"ttl", "ttl = 4", "", func(p *plugins.Peer) { p.TTL = 4 }},
		{"ttl_security over the provider's ttl", "ttl_security = 3", "", func(p *plugins.Peer) { p.TTL, p.TTLSecurity = 0, 3 }},
		{"ttl of the peer over ttl_security of all", "ttl_security = 3", "ttl = 2", func(p *plugins.Peer) { p.TTL = 2 }},
		{"iBGP needs no multihop", "asn = 65000", "", func(p *plugins.Peer) { p.TTL = 0 }},
		{"graceful restart of all", `graceful_restart = "60s"`, "", func(p *plugins.Peer) { p.GracefulRestart = time.Minute }},
		{"graceful restart off", `graceful_restart = "60s"`, `graceful_restart = "0s"`, func(*plugins.Peer) {}},
		{"local address", `local_address = "2001:db8::7"`, "", func(p *plugins.Peer) { p.LocalAddr = netip.MustParseAddr("2001:db8::7") }},
		{"local address of the other family", `local_address = "192.0.2.7"`, "", func(*plugins.Peer) {}},
		{"bfd of all", "[bgp.bfd]", "", func(p *plugins.Peer) {
			p.BFD = &plugins.BFD{TX: 300 * time.Millisecond, RX: 300 * time.Millisecond, Multiplier: 3}
		}},
		{"bfd of both", "[bgp.bfd]\ntx = \"50ms\"\nmultiplier = 4", "[bgp.peer.rs1.bfd]\ntx = \"70ms\"", func(p *plugins.Peer) {
			p.BFD = &plugins.BFD{TX: 70 * time.Millisecond, RX: 300 * time.Millisecond, Multiplier: 4}
		}},
		{"address", "", `address = "2001:db8::9"`, func(p *plugins.Peer) { p.Addr = netip.MustParseAddr("2001:db8::9") }},
		{"asn", "", `asn = 64999`, func(p *plugins.Peer) { p.ASN = 64999 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := base
			c.want(&want)
			got := mustLoad(t, fmt.Sprintf(head, c.all, c.own))
			if len(got.BGP.Peers) != 4 {
				t.Fatalf("%d peers", len(got.BGP.Peers))
			}
			if diff := cmp.Diff(want, got.BGP.Peers[0], netipValues); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestProviderPeersByFamily(t *testing.T) {
	for _, c := range []struct {
		address, more string
		want          []string
	}{
		{"203.0.113.10/32", "", []string{"vultr4"}},
		{"2001:db8::1/64", "", []string{"vultr6"}},
		{"203.0.113.10/32", "[bgp.peer.vultr6]\n", []string{"vultr4", "vultr6"}},
	} {
		cfg := mustLoad(t, "[bgp]\nprovider = \"vultr\"\nasn = 64999\npassword_file = \"/x\"\n"+c.more+
			"[vip.web]\nrole = \"primary\"\naddress = \""+c.address+"\"\n")
		var got []string
		for _, p := range cfg.BGP.Peers {
			got = append(got, p.Name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %s: %s", c.address, c.more, diff)
		}
	}
}

func TestVIPAddresses(t *testing.T) {
	for _, c := range []struct{ in, addr, prefix string }{
		{"203.0.113.10/32", "203.0.113.10", "203.0.113.10/32"},
		{"10.0.0.1/32", "10.0.0.1", "10.0.0.1/32"},
		{"2001:db8::1/128", "2001:db8::1", "2001:db8::1/128"},
		{"2001:db8::/128", "2001:db8::", "2001:db8::/128"},
		{"2001:db8::/64", "2001:db8::1", "2001:db8::/64"},
		{"2001:db8::5/64", "2001:db8::5", "2001:db8::/64"},
		{"2001:db8:0:ab::5/56", "2001:db8:0:ab::5", "2001:db8::/56"},
		{"2001:db8::/48", "2001:db8::1", "2001:db8::/48"},
		{"2001:DB8::5/127", "2001:db8::5", "2001:db8::4/127"},
	} {
		got, m := parseVIP(c.in)
		if m != nil || got.addr.String() != c.addr || got.prefix.String() != c.prefix {
			t.Errorf("%s is %v (%v), want %s and %s", c.in, got, m, c.addr, c.prefix)
		}
	}
}

func TestRegionsCanBeAdded(t *testing.T) {
	cfg := mustLoad(t, "[bgp]\nprovider = \"linode\"\nregion = \"de-fra-2\"\n[provider.linode.regions]\nde-fra-2 = 49\n")
	if got := cfg.BGP.Peers[0].Addr.String(); got != "2600:3c0f:49:34::1" {
		t.Errorf("rs1 is %s", got)
	}
	if _, warnings, err := loadText("[bgp]\nprovider = \"linode\"\ndcid = 49\n[provider.linode.regions]\n\"de-fra-2\" = 49\n[vip.web]\naddress = \"203.0.113.1/32\"\nrole = \"primary\"\n"); err != nil || len(warnings) > 0 {
		t.Errorf("a data centre of the own table: %v, %v", warnings, err)
	}
}

func TestHandWrittenPeersNeedNoDataCentre(t *testing.T) {
	cfg := mustLoad(t, "[bgp]\nprovider = \"linode\"\n[bgp.peer.rs1]\naddress = \"2001:db8::1\"\n")
	if len(cfg.BGP.Peers) != 1 || cfg.BGP.Peers[0].ASN != 65000 || cfg.BGP.Peers[0].TTL != 16 {
		t.Errorf("got %+v", cfg.BGP.Peers)
	}
}

func TestBackendsArePlain(t *testing.T) {
	got := mustLoad(t, `
[backend.frr]
vtysh = "/usr/bin/vtysh"
n = 3
f = 1.5
on = true
at = 1979-05-27T07:32:00Z
local = 1979-05-27 07:32:00.5
day = 1979-05-27
hour = 07:32:00
list = [1, 1979-05-27, {a = 1979-05-27}]
[backend.frr.sub]
x = "y"
[[backend.frr.many]]
x = 1979-05-27
`).Backends
	want := map[string]map[string]any{"frr": {
		"vtysh": "/usr/bin/vtysh", "n": int64(3), "f": 1.5, "on": true,
		"at": "1979-05-27T07:32:00Z", "local": "1979-05-27T07:32:00.5", "day": "1979-05-27", "hour": "07:32:00",
		"list": []any{int64(1), "1979-05-27", map[string]any{"a": "1979-05-27"}},
		"sub":  map[string]any{"x": "y"},
		"many": []any{map[string]any{"x": "1979-05-27"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLocate(t *testing.T) {
	cfg := mustLoad(t, "[backend.frr]\nvtysh = 3\nlist = [1, {a = 2}]\n[backend.frr.sub]\nx = 1\n")
	for _, c := range []struct {
		backend, key string
		line, col    int
	}{
		{"frr", "vtysh", 2, 1},
		{"frr", "", 1, 1},
		{"frr", "nosuch", 1, 1},
		{"frr", "sub.x", 5, 1},
		{"frr", "sub.nosuch", 4, 14},
		{"frr", "list.1.a", 3, 13},
		{"frr", "list.9", 3, 1},
		{"netplan", "x", 0, 0},
	} {
		err := cfg.Locate(c.backend, &plugins.ConfigError{Key: c.key, Msg: "is wrong", Hint: "mend it"})
		var invalid *Invalid
		if !errors.As(err, &invalid) || len(invalid.Findings) != 1 {
			t.Fatalf("%T: %v", err, err)
		}
		f := invalid.Findings[0]
		if f.File != "test.toml" || f.Line != c.line || f.Col != c.col || f.Hint != "mend it" || !strings.HasPrefix(f.Msg, "[backend."+c.backend+"] ") {
			t.Errorf("%s %q: %+v", c.backend, c.key, f)
		}
	}
}

func TestLocateWithoutFiles(t *testing.T) {
	err := new(Config).Locate("frr", &plugins.ConfigError{Key: "x", Msg: "is wrong"})
	if got := err.Error(); got != "[backend.frr] x: is wrong" {
		t.Error(got)
	}
}

func TestFiles(t *testing.T) {
	good := "[bgp]\nasn = 65001\n[bgp.peer.a]\naddress = \"192.0.2.1\"\nasn = 64512\n[vip.web]\naddress = \"203.0.113.1/32\"\nrole = \"primary\"\n"
	setup := func(t *testing.T) (main, confd string) {
		dir := t.TempDir()
		confd = filepath.Join(dir, "conf.d")
		main = filepath.Join(dir, "stentor.toml")
		if err := errors.Join(os.Mkdir(confd, 0o755), os.WriteFile(main, []byte(good), 0o644)); err != nil {
			t.Fatal(err)
		}
		return main, confd
	}
	write := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("order", func(t *testing.T) {
		main, confd := setup(t)
		for _, n := range []string{"b.toml", "B.toml", "a.toml", ".x.toml", "c.toml~", "c.conf"} {
			write(t, filepath.Join(confd, n), "")
		}
		cfg, _, err := Load(main, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		want := []string{main, confd + "/B.toml", confd + "/a.toml", confd + "/b.toml"}
		if diff := cmp.Diff(want, cfg.Files); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("as they once were", func(t *testing.T) {
		main, confd := setup(t)
		write(t, filepath.Join(confd, "a.toml"), "[vip.mail]\naddress = \"203.0.113.2/32\"\nrole = \"secondary\"\n")
		was, _, err := Load(main, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		write(t, main, "a mistake")
		again, _, err := LoadTexts(was.Texts(), testOptions())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(was, again, ignoreIndex, netipValues); diff != "" || len(again.VIPs) != 2 {
			t.Error(diff)
		}
		if diff := cmp.Diff(was.Texts(), again.Texts()); diff != "" {
			t.Error(diff)
		}
		if _, _, err := LoadTexts(nil, testOptions()); !errors.Is(err, ErrNoFile) {
			t.Errorf("no files: %v", err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		_, _, err := Load(filepath.Join(t.TempDir(), "stentor.toml"), Options{})
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "--config") {
			t.Errorf("%v", err)
		}
	})
	t.Run("permission", func(t *testing.T) {
		err := openError(&fs.PathError{Op: "open", Path: "/x", Err: syscall.EACCES})
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v", err)
		}
	})
	for _, c := range []struct {
		name, want string
		make       func(path string) error
	}{
		{"directory", "is a directory", func(p string) error { return os.Mkdir(p, 0o755) }},
		{"fifo", "is a FIFO", func(p string) error { return syscall.Mkfifo(p, 0o644) }},
		{"device", "is a device", func(p string) error { return os.Symlink("/dev/null", p) }},
		{"too large", "larger than 1 MiB", func(p string) error {
			return os.WriteFile(p, []byte(strings.Repeat("#\n", maxFileSize/2)+"#"), 0o644)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			main, confd := setup(t)
			if err := c.make(filepath.Join(confd, "x.toml")); err != nil {
				t.Fatal(err)
			}
			_, _, err := Load(main, testOptions())
			var invalid *Invalid
			if !errors.As(err, &invalid) || len(invalid.Findings) != 1 || !strings.Contains(invalid.Findings[0].Msg, c.want) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("just small enough", func(t *testing.T) {
		main, confd := setup(t)
		write(t, filepath.Join(confd, "x.toml"), strings.Repeat("#\n", maxFileSize/2))
		if _, _, err := Load(main, testOptions()); err != nil {
			t.Error(err)
		}
	})
	t.Run("too many", func(t *testing.T) {
		main, confd := setup(t)
		for i := range maxFiles + 1 {
			write(t, filepath.Join(confd, fmt.Sprintf("%04d.toml", i)), "")
		}
		_, _, err := Load(main, testOptions())
		if err == nil || !strings.Contains(err.Error(), "1001 files") {
			t.Errorf("%v", err)
		}
	})
}

// TestDeepFileStaysFromTheParser: the TOML parser would exhaust the stack of
// the process.
func TestDeepFileStaysFromTheParser(t *testing.T) {
	for _, text := range []string{
		"x = " + strings.Repeat("[", 1<<20),
		"x = " + strings.Repeat("{a=", 1<<18),
		strings.Repeat("[", 1<<20),
		strings.Repeat("a.", 1<<19) + "b = 1",
		"x = \"\"\"" + strings.Repeat("\"", 1<<20) + strings.Repeat("[", 1<<20),
	} {
		if _, p := scan([]byte(text)); p == nil {
			t.Errorf("%.20q passed", text)
		}
	}
}

func TestManyFindingsAreBounded(t *testing.T) {
	var text strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&text, "x%d = 1\n", i)
	}
	_, _, err := loadText(text.String())
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	if len(invalid.Findings) != maxFindings || invalid.Omitted != 2000 {
		t.Errorf("%d findings, %d omitted", len(invalid.Findings), invalid.Omitted)
	}
	if got := err.Error(); !strings.HasSuffix(got, "\n... and 2900 more") {
		t.Errorf("it ends in %q", got[len(got)-40:])
	}
}

// BenchmarkLoad10000 loads 10,000 VIPs of one file.
func BenchmarkLoad10000(b *testing.B) {
	var text strings.Builder
	text.WriteString("[bgp]\nasn = 65001\n[bgp.peer.a]\naddress = \"192.0.2.1\"\nasn = 64512\n")
	for i := range 10000 {
		fmt.Fprintf(&text, "[vip.v%d]\naddress = \"10.1.%d.%d/32\"\nrole = \"primary\"\n", i, i/256, i%256)
	}
	for b.Loop() {
		if _, _, err := loadText(text.String()); err != nil {
			b.Fatal(err)
		}
	}
}
