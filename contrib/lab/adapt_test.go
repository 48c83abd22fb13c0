package lab

import (
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

func TestAdapt(t *testing.T) {
	configs, notes, err := adapt([]byte(`
[network]
backend = "netplan"
hold_down = "1s"
[bgp]
backend   = "frr"
asn       = 65001
router_id = "192.0.2.7"
[bgp.peer.tor1]
address = "192.0.2.1"
asn     = 64512
local_address = "192.0.2.7"
[vip.web]
address = "203.0.113.10/32"
role    = "secondary"
link    = "shared0"
[vip.web.check.https]
url   = "https://127.0.0.1/healthz"
[backend.frr]
vtysh = "/usr/bin/vtysh"
[backend.gobgp]
isolate = false
`))
	if err != nil {
		t.Fatal(err)
	}
	want := func(role string) map[string]any {
		return map[string]any{
			"network": map[string]any{"backend": "iproute", "hold_down": "1s"},
			"bgp": map[string]any{
				"asn":  int64(65001),
				"peer": map[string]any{"tor1": map[string]any{"address": "192.0.2.1", "asn": int64(64512)}},
			},
			"vip":     map[string]any{"web": map[string]any{"address": "203.0.113.10/32", "role": role}},
			"backend": map[string]any{"gobgp": map[string]any{"isolate": false}},
		}
	}
	for host, role := range map[string]string{HostA: "primary", HostB: "secondary"} {
		var got map[string]any
		if err := toml.Unmarshal(configs[host], &got); err != nil {
			t.Fatalf("host %s: %v\n%s", host, err, configs[host])
		}
		if d := cmp.Diff(want(role), got); d != "" {
			t.Errorf("host %s (-want +got):\n%s", host, d)
		}
	}
	wantNotes := []string{
		"bgp.backend frr is left out, as its daemon would be this machine's own",
		"bgp.peer.tor1.local_address is left out: the lab's hosts have no such thing",
		"bgp.router_id is left out: the lab's hosts have no such thing",
		"network.backend is iproute, as other stacks have their files on this machine",
		"vip.web.check is left out: the lab's hosts have no such thing",
		"vip.web.link is left out: the lab's hosts have no such thing",
	}
	if d := cmp.Diff(wantNotes, notes); d != "" {
		t.Errorf("notes (-want +got):\n%s", d)
	}
}

func TestAdaptNeedsTOML(t *testing.T) {
	if _, _, err := adapt([]byte("[bgp")); err == nil {
		t.Error("half a table is taken")
	}
}
