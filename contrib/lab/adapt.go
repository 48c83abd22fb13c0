package lab

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/BurntSushi/toml"
)

// safeBackends drive nothing but the namespace that they run in. Any other one
// would reach through the lab to this machine's own files and daemons.
var safeBackends = []string{"iproute", "gobgp", "native"}

// adapt makes the configurations of the two hosts from one file, and tells what
// had to be changed for a host that is no real one. It reads the file as plain
// TOML: that it is a right configuration is for the caller to know.
func adapt(file []byte) (configs map[string][]byte, notes []string, err error) {
	configs = map[string][]byte{}
	for host, role := range demoRoles {
		var doc map[string]any
		if err := toml.Unmarshal(file, &doc); err != nil {
			return nil, nil, fmt.Errorf("lab: %w", err)
		}
		a := adapter{doc: doc}
		a.backends()
		a.addresses()
		a.vips(role)
		var out bytes.Buffer
		if err := toml.NewEncoder(&out).Encode(doc); err != nil {
			return nil, nil, fmt.Errorf("lab: %w", err)
		}
		slices.Sort(a.notes)
		configs[host], notes = out.Bytes(), a.notes
	}
	return configs, notes, nil
}

type adapter struct {
	doc   map[string]any
	notes []string
}

func (a *adapter) note(format string, args ...any) {
	a.notes = append(a.notes, fmt.Sprintf(format, args...))
}

func (a *adapter) backends() {
	network := table(a.doc, "network")
	if was := network["backend"]; was != "iproute" {
		network["backend"] = "iproute"
		a.note("network.backend is iproute, as other stacks have their files on this machine")
	}
	bgp := table(a.doc, "bgp")
	if was, ok := bgp["backend"].(string); ok && !slices.Contains(safeBackends, was) {
		delete(bgp, "backend")
		a.note("bgp.backend %s is left out, as its daemon would be this machine's own", was)
	}
	backends := table(a.doc, "backend")
	for name := range backends {
		if !slices.Contains(safeBackends, name) {
			delete(backends, name)
		}
	}
}

// addresses takes out what names an address of the real host.
func (a *adapter) addresses() {
	a.leaveOut("bgp", table(a.doc, "bgp"), "router_id")
	for name, peer := range tables(table(a.doc, "bgp"), "peer") {
		a.leaveOut("bgp.peer."+name, peer, "local_address")
	}
}

func (a *adapter) vips(role string) {
	for name, vip := range tables(a.doc, "vip") {
		vip["role"] = role
		for _, key := range []string{"link", "next_hop", "check"} {
			a.leaveOut("vip."+name, vip, key)
		}
	}
}

func (a *adapter) leaveOut(path string, t map[string]any, key string) {
	if _, ok := t[key]; ok {
		delete(t, key)
		a.note("%s.%s is left out: the lab's hosts have no such thing", path, key)
	}
}

// table is the table at key of t, made if there is none.
func table(t map[string]any, key string) map[string]any {
	sub, ok := t[key].(map[string]any)
	if !ok {
		sub = map[string]any{}
		t[key] = sub
	}
	return sub
}

// tables are the tables below the one at key of t.
func tables(t map[string]any, key string) map[string]map[string]any {
	out := map[string]map[string]any{}
	for name, v := range table(t, key) {
		if sub, ok := v.(map[string]any); ok {
			out[name] = sub
		}
	}
	return out
}
