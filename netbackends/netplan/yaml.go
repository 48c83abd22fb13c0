package netplan

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"

	"go.yaml.in/yaml/v3"

	"github.com/stentor-net/stentor/plugins"
)

// maxFile bounds one YAML file, in bytes.
const maxFile = 1 << 20

// folders hold netplan's files; of one name /run shadows /etc shadows /lib.
var folders = []string{"run/netplan", "etc/netplan", "lib/netplan"}

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

// files lists netplan's YAML files in the order in which they are merged.
func files(root fs.FS) ([]string, error) {
	byName := map[string]string{}
	for _, dir := range folders {
		names, err := fs.Glob(root, dir+"/*.yaml")
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if _, shadowed := byName[path.Base(n)]; !shadowed && path.Base(n)[0] != '.' {
				byName[path.Base(n)] = n
			}
		}
	}
	bases := make([]string, 0, len(byName))
	for b := range byName {
		bases = append(bases, b)
	}
	sort.Strings(bases)
	for i, b := range bases {
		bases[i] = byName[b]
	}
	return bases, nil
}

// readConfig reads all files but ours.
func readConfig(root fs.FS) (*config, error) {
	names, err := files(root)
	if err != nil {
		return nil, err
	}
	c := &config{sections: map[string]string{}, defs: map[string]*definition{}}
	var errs []error
	for _, n := range names {
		if "/"+n == own {
			continue
		}
		content, err := readFile(root, n)
		if err == nil {
			err = c.add("/"+n, content)
		}
		errs = append(errs, err)
	}
	return c, errors.Join(errs...)
}

func readFile(root fs.FS, name string) ([]byte, error) {
	st, err := fs.Stat(root, name)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, fmt.Errorf("/%s is no regular file of at most %d MiB", name, maxFile>>20)
	}
	return fs.ReadFile(root, name)
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
