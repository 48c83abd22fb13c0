package netplan

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"

	"go.yaml.in/yaml/v3"

	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/plugins"
)

// definition is one netdef, put together from all files.
type definition struct {
	id       string
	where    string // FILE:LINE of its latest mention
	match    bool   // it has a match of its own
	name     string // match.name
	renderer string
}

// config is what netplan's files say, as far as lo goes.
type config struct {
	renderer string                 // for all
	sections map[string]string      // renderer of one section
	defs     map[string]*definition // ethernets, by id
}

// readConfig reads all files but ours.
func readConfig(root fs.FS) (*config, error) {
	c := &config{sections: map[string]string{}, defs: map[string]*definition{}}
	var errs []error
	for _, n := range netfiles.NetplanFiles(root) {
		if "/"+n == own {
			continue
		}
		content, err := netfiles.Read(root, n)
		if err == nil {
			err = c.add("/"+n, content)
		}
		errs = append(errs, err)
	}
	return c, errors.Join(errs...)
}

// add merges one file. What netplan would refuse is left to netplan, which
// says where it stands.
func (c *config) add(name string, content []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	network := get(doc.Content[0], "network")
	if r := get(network, "renderer"); r != nil {
		c.renderer = r.Value
	}
	ethernets := get(network, "ethernets")
	if ethernets == nil || ethernets.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(ethernets.Content); i += 2 {
		key, def := ethernets.Content[i], deref(ethernets.Content[i+1])
		if key.Value == "renderer" && def.Kind == yaml.ScalarNode {
			c.sections["ethernets"] = def.Value
			continue
		}
		d := c.defs[key.Value]
		if d == nil {
			d = &definition{id: key.Value}
			c.defs[key.Value] = d
		}
		d.where = fmt.Sprintf("%s:%d", name, key.Line)
		if r := get(def, "renderer"); r != nil {
			d.renderer = r.Value
		}
		if m := get(def, "match"); m != nil {
			d.match = true
			if n := get(m, "name"); n != nil {
				d.name = n.Value
			}
		}
	}
	return nil
}

// get gives a mapping's value, or nil.
func get(n *yaml.Node, key string) *yaml.Node {
	if n = deref(n); n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return deref(n.Content[i+1])
		}
	}
	return nil
}

// deref follows an alias. The library refuses one that contains itself.
func deref(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// lo gives the id under which lo is configured, "lo" if it is not. A second id
// for lo would render a second file, of which networkd reads the first only.
func (c *config) lo() (id string, err error) {
	id = "lo"
	var ids []string
	for i := range c.defs {
		ids = append(ids, i)
	}
	sort.Strings(ids)
	found := false
	for _, i := range ids {
		d := c.defs[i]
		name := d.name
		if !d.match {
			name = d.id
		}
		switch ok, _ := path.Match(name, "lo"); {
		case name == "lo":
			if !found {
				id, found = d.id, true
			}
		case ok && d.match:
			return "", fmt.Errorf("%s: %q matches lo among other links by name: %q, so an address for lo would land on all of them: narrow the match: %w",
				d.where, d.id, name, plugins.ErrUnsupported)
		}
	}
	renderer, where := c.renderer, "the files below /etc/netplan"
	if r := c.sections["ethernets"]; r != "" {
		renderer = r
	}
	if d := c.defs[id]; d != nil {
		where = d.where
		if d.renderer != "" {
			renderer = d.renderer
		}
	}
	if renderer == "NetworkManager" {
		// netplan then renders lo as a wired connection, and applying that
		// takes 127.0.0.1 and ::1 off for good.
		return "", fmt.Errorf("%s: the renderer for lo is NetworkManager: the networkmanager backend serves it: %w", where, plugins.ErrUnsupported)
	}
	return id, nil
}
