package main

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
)

// The parts of CycloneDX 1.5 that the linker can vouch for. There is no time and
// no serial number in it: the same program has the same inventory.
type document struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

// inventory is the SBOM of a program and of those that go with it, from what the
// linker wrote into them.
func inventory(version, program string, others ...string) ([]byte, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	for _, other := range others {
		more, err := buildinfo.ReadFile(other)
		if err != nil {
			return nil, err
		}
		info.Deps = append(info.Deps, more.Deps...)
	}
	slices.SortFunc(info.Deps, func(a, b *debug.Module) int { return strings.Compare(a.Path, b.Path) })
	info.Deps = slices.CompactFunc(info.Deps, func(a, b *debug.Module) bool { return a.Path == b.Path }) // one go.mod for all
	return bill(info, version)
}

func bill(info *debug.BuildInfo, version string) ([]byte, error) {
	main := component{Type: "application", Name: info.Main.Path, Version: version, PURL: purl(info.Main.Path, version)}
	main.Ref = main.PURL
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	std := component{Type: "library", Name: "std", Version: goVersion, PURL: purl("std", goVersion)}
	std.Ref = std.PURL
	d := document{Format: "CycloneDX", Spec: "1.5", Version: 1, Metadata: metadata{main}, Components: []component{std}}
	for _, m := range info.Deps {
		c, err := module(m, version)
		if err != nil {
			return nil, err
		}
		d.Components = append(d.Components, c)
	}
	text, err := json.MarshalIndent(d, "", "  ")
	return append(text, '\n'), err
}

// module is a dependency. One that was built from this source, as the SDK is,
// has the version of the program and no checksum.
func module(m *debug.Module, version string) (component, error) {
	if r := m.Replace; r != nil && r.Version != "" { // else it is a folder
		m = r
	}
	c := component{Type: "library", Name: m.Path, Version: m.Version}
	if m.Sum == "" {
		c.Version = version
	} else {
		// "h1:" is the base64 of a SHA-256 over the files' own (dirhash.Hash1).
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
		if err != nil {
			return c, fmt.Errorf("checksum of %s: %w", m.Path, err)
		}
		c.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum)}}
	}
	c.PURL = purl(m.Path, c.Version)
	c.Ref = c.PURL
	return c, nil
}

// purl is a package URL (https://github.com/package-url/purl-spec).
func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + url.QueryEscape(version)
}
