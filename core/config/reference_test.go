package config

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// commented matches a key or header of the reference that is commented out:
// there is no blank after its #.
var commented = regexp.MustCompile(`(?m)^#([a-z\[])`)

// wholeReference is the reference with every key active.
func wholeReference() string { return commented.ReplaceAllString(Reference, "$1") }

func TestReferenceIsValid(t *testing.T) {
	cfg, warnings, err := load(&report{}, []*source{newSource("reference.toml", []byte(Reference))}, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	if len(cfg.VIPs) != 1 || len(cfg.BGP.Peers) != 1 {
		t.Errorf("got %d VIPs and %d peers, want one of each", len(cfg.VIPs), len(cfg.BGP.Peers))
	}
}

func TestReferenceNamesEveryKey(t *testing.T) {
	s, p := scan([]byte(wholeReference()))
	if p != nil {
		t.Fatalf("%+v", p)
	}
	var got []string
	var collect func(sp *spec, n *node, path []string)
	collect = func(sp *spec, n *node, path []string) {
		for k, c := range n.keys {
			sub := sp.subs[k]
			if sp.each != nil || sp.eachKey != nil {
				k, sub = "NAME", sp.each
			}
			at := append(slices.Clone(path), k)
			got = append(got, strings.Join(at, "."))
			if sub != nil && !sub.opaque {
				collect(sub, c, at)
			}
		}
	}
	collect(schema(), s.root, nil)
	var want []string
	each(schema(), nil, func(path []string) { want = append(want, strings.Join(path, ".")) })
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("keys of the schema (-) and of reference.toml (+):\n%s", diff)
	}
}

func TestReferenceExamplesAreGood(t *testing.T) {
	r := &report{}
	v := parse(r, newSource("reference.toml", []byte(wholeReference())))
	if v != nil {
		walk(r, schema(), v, nil)
	}
	for _, f := range r.findings {
		t.Error(f)
	}
}

// TestReferenceDefaults writes out what the reference calls the default, and
// expects nothing to change.
func TestReferenceDefaults(t *testing.T) {
	stated := regexp.MustCompile(`(?m)# Default: (?:the provider's, or )?([^ \n]+)\.\n#?([a-z_]+) = `)
	section := strings.Split(wholeSection("[network]", "[bgp.bfd]"), "[bgp]")
	if len(section) != 2 {
		t.Fatal("[network] and [bgp] are not where they were")
	}
	const base = "[bgp.peer.tor1]\naddress = \"192.0.2.1\"\nasn = 64512\n" +
		"[vip.web]\naddress = \"203.0.113.10/32\"\nrole = \"primary\"\n"
	var explicit [2]strings.Builder
	n := 0
	for i, text := range section {
		for _, m := range stated.FindAllStringSubmatch(text, -1) {
			if m[2] == "provider" || m[2] == "ttl" {
				continue // a word about it follows; an explicit ttl = 1 differs from none
			}
			explicit[i].WriteString(m[2] + " = " + m[1] + "\n")
			n++
		}
	}
	if n < 9 {
		t.Errorf("found only %d stated defaults", n)
	}
	plain := mustLoad(t, "[bgp]\nasn = 65001\n"+base)
	full := mustLoad(t, "[network]\n"+explicit[0].String()+"[bgp]\nasn = 65001\n"+explicit[1].String()+base)
	if diff := cmp.Diff(plain, full, ignoreIndex, netipValues); diff != "" {
		t.Errorf("the stated defaults change the config:\n%s", diff)
	}
}

func wholeSection(from, to string) string {
	_, rest, _ := strings.Cut(Reference, "\n"+from)
	part, _, _ := strings.Cut(rest, "\n#"+to)
	return part
}
