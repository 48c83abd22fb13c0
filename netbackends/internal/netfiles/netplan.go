package netfiles

import (
	"io/fs"

	"go.yaml.in/yaml/v3"
)

// NetplanFolders hold netplan's files; of one name /run shadows /etc shadows /lib.
func NetplanFolders() []string { return []string{"run/netplan", "etc/netplan", "lib/netplan"} }

// NetplanFiles lists netplan's YAML files in the order in which it merges them.
func NetplanFiles(root fs.FS) []string { return Shadowed(root, NetplanFolders(), "*.yaml") }

// Netplan gives the addresses in netplan's files.
func Netplan(root fs.FS) []Address {
	var all []Address
	for _, n := range NetplanFiles(root) {
		all = append(all, netplan("/"+n, foreign(root, n))...)
	}
	return all
}

// netplan reads one file. What netplan would refuse is left out: netplan says
// where it stands.
func netplan(file string, content []byte) []Address {
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil || len(doc.Content) == 0 {
		return nil
	}
	var all []Address
	for _, section := range pairs(value(doc.Content[0], "network")) {
		for _, def := range pairs(section.value) {
			link := def.key.Value
			if name := value(value(def.value, "match"), "name"); name != nil {
				link = name.Value
			}
			addresses := value(def.value, "addresses")
			if addresses == nil || addresses.Kind != yaml.SequenceNode {
				continue
			}
			for _, a := range addresses.Content {
				a = resolve(a)
				if a.Kind == yaml.MappingNode && len(a.Content) > 0 {
					a = a.Content[0] // ADDRESS: {lifetime: 0}
				}
				if p, ok := parse(a.Value, 0); ok {
					all = append(all, Address{file, a.Line, link, p})
				}
			}
		}
	}
	return all
}

type pair struct{ key, value *yaml.Node }

// pairs are those of a mapping; of anything else there are none.
func pairs(n *yaml.Node) []pair {
	if n = resolve(n); n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var all []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		all = append(all, pair{n.Content[i], resolve(n.Content[i+1])})
	}
	return all
}

// value gives a mapping's value, or nil.
func value(n *yaml.Node, key string) *yaml.Node {
	for _, p := range pairs(n) {
		if p.key.Value == key {
			return p.value
		}
	}
	return nil
}

// resolve follows an alias. The library refuses one that contains itself.
func resolve(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
