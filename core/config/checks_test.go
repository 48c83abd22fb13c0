package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/health"
)

const checkBase = `[bgp]
asn = 65001
[bgp.peer.tor1]
address = "192.0.2.1"
asn = 64512
[vip.web]
address = "203.0.113.10/32"
role = "primary"
`

func TestChecks(t *testing.T) {
	cfg := mustLoad(t, checkBase+`
checks = ["shared"]
require = "any"
[vip.web.check]
url = { url = "https://127.0.0.1/healthz?x=1", host = "www.example.com", status = [200, "301-302"], match = "ok", unix = "/run/app.sock", tls_verify = false }
tcp = { tcp = "[::1]:6379", send = "PING\r\n", expect = "+PONG", tls = true, server_name = "redis", every = "500ms" }
dns = { dns = "::1", query = "example.com", type = "SOA" }
exec = { exec = ["killall", "-0", "ha  proxy"], user = "nobody", timeout = "200ms" }
process = { process = "nginx", initial = "up", rise = 1, fall = 1, weight = 9, invert = true }
weight = { file = "/run/weight", weight_from_file = true }
icmp = { icmp = "fe80::1%eth0", every = "10s", fast_every = "1s", timeout = "5s" }
unit = { unit = "nginx.service" }
bgp = { sessions = 1, peers = ["tor1"], rise = 3 }
link = { interface = "eth1" }
[check.shared]
file = "/run/ready"
`)
	of := func(name string, p health.Probe, change func(*health.Spec)) health.Spec {
		s := health.Spec{Name: name, Probe: p, Every: 2 * time.Second, Timeout: time.Second, FastEvery: 2 * time.Second, Rise: 2, Fall: 3, Initial: health.Unknown, Weight: 1}
		if change != nil {
			change(&s)
		}
		return s
	}
	pushed := func(s *health.Spec) { s.Rise, s.Fall = 1, 1 }
	want := []health.Spec{
		of("shared", health.File{Path: "/run/ready"}, nil),
		of("web/bgp", health.Sessions{AtLeast: 1, Peers: []string{"tor1"}}, func(s *health.Spec) { s.Rise, s.Fall = 3, 1 }),
		of("web/dns", health.DNS{Addr: "[::1]:53", Query: "example.com", Type: "SOA", RCode: "NOERROR"}, nil),
		of("web/exec", health.Exec{Argv: []string{"killall", "-0", "ha  proxy"}, User: "nobody"}, func(s *health.Spec) { s.Timeout = 200 * time.Millisecond }),
		of("web/icmp", health.ICMP{Addr: netip.MustParseAddr("fe80::1%eth0")}, func(s *health.Spec) {
			s.Every, s.FastEvery, s.Timeout = 10*time.Second, time.Second, 5*time.Second
		}),
		of("web/link", health.Interface{Name: "eth1"}, pushed),
		of("web/process", health.Process{Name: "nginx"}, func(s *health.Spec) {
			s.Initial, s.Rise, s.Fall, s.Weight, s.Invert = health.Up, 1, 1, 9, true
		}),
		of("web/tcp", health.TCP{Addr: "[::1]:6379", Send: "PING\r\n", Expect: "+PONG", Secure: true, TLS: health.TLS{ServerName: "redis"}}, func(s *health.Spec) {
			s.Every, s.Timeout, s.FastEvery = 500*time.Millisecond, 500*time.Millisecond, 500*time.Millisecond
		}),
		of("web/unit", health.Unit{Name: "nginx.service"}, pushed),
		of("web/url", health.HTTP{
			URL: "https://127.0.0.1/healthz?x=1", Method: "GET", Host: "www.example.com", Unix: "/run/app.sock",
			Status: []health.StatusRange{{From: 200, To: 200}, {From: 301, To: 302}}, Match: "ok", TLS: health.TLS{Skip: true},
		}, nil),
		of("web/weight", health.File{Path: "/run/weight", FromWeight: true}, nil),
	}
	if diff := cmp.Diff(want, cfg.Checks, netipValues); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	var names []string
	for _, c := range want[1:] {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff(append(names, "shared"), cfg.VIPs[0].Checks); diff != "" {
		t.Errorf("the VIP's checks (-want +got):\n%s", diff)
	}
	if got := cfg.VIPs[0].Require; got != (Require{Any: true}) {
		t.Errorf("it requires %+v", got)
	}
}

// TestCheckPrograms looks at this host, which a check on another does not.
func TestCheckPrograms(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct{ check, want string }{
		{`exec = ["` + write("good", 0o755) + `"]`, ""},
		{`exec = ["sh", "-c", "true"]`, ""},
		{`exec = ["stentor-none"]`, `test.toml:10:9: there is no program "stentor-none"`},
		{`exec = ["` + dir + `/none"]`, "there is no program " + dir + "/none"},
		{`exec = ["` + write("plain", 0o644) + `"]`, "can't be executed (mode 0644)"},
		{`exec = ["` + write("open", 0o777) + `"]`, "others can change it (mode 0777)"},
		{`exec = ["` + dir + `"]`, dir + " is no program"},
		{"exec = [\"sh\"]\nuser = \"stentor-none\"", `test.toml:11:8: there is no user "stentor-none"`},
		{"url = \"https://127.0.0.1/\"\nca_file = \"" + dir + "/none.pem\"", "test.toml:11:11: ca_file can't be used"},
		{"url = \"https://127.0.0.1/\"\nca_file = \"" + write("empty.pem", 0o644) + "\"", "holds no certificate"},
	}
	for _, tt := range tests {
		text := []byte(checkBase + "[vip.web.check.a]\n" + tt.check + "\n")
		options := testOptions()
		options.Offline = false
		_, _, err := load(&report{}, []*source{newSource("test.toml", text)}, options)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.check, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %s", tt.check, err, tt.want)
		}
		if _, _, err := loadText(string(text)); err != nil {
			t.Errorf("%s: on another machine: %v", tt.check, err)
		}
	}
}

func TestTooManyChecks(t *testing.T) {
	var text strings.Builder
	text.WriteString(checkBase)
	for i := range maxChecks + 1 {
		fmt.Fprintf(&text, "check.c%d = { process = \"nginx\" }\n", i)
	}
	_, _, err := loadText(text.String())
	if err == nil || !strings.Contains(err.Error(), "can be 4096") {
		t.Errorf("%v", err)
	}
}
