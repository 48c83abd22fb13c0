package docs

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// guide is a document that is walked through, on a host that scripts make of
// programs that Debian has.
type guide struct {
	document string
	scripts  []string
	needs    []string
}

func guides() []guide {
	const (
		bird    = "/usr/sbin/bird"
		bgpd    = "/usr/lib/frr/bgpd"
		dnsmasq = "/usr/sbin/dnsmasq"
	)
	linode := func(document string) guide { return guide{document, []string{"linode.sh"}, []string{bird}} }
	return []guide{
		linode("../../README.md"),
		linode("linode.md"),
		linode("operating-a-fleet.md"),
		linode("security.md"),
		linode("troubleshooting.md"),
		{"top-of-rack.md", []string{"rack.sh"}, []string{bgpd, bird}},
		{"anycast-dns.md", []string{"dns.sh"}, []string{dnsmasq, bird}},
		{"migrating.md", []string{"lelastic.sh"}, nil},
		{"vultr.md", nil, nil},
	}
}

func TestGuides(t *testing.T) {
	for _, g := range guides() {
		t.Run(g.document, func(t *testing.T) {
			for _, p := range g.needs {
				if _, err := os.Stat(p); err != nil {
					t.Skip(err)
				}
			}
			t.Parallel()
			walk(t, g.document, g.scripts...)
		})
	}
}

// TestNoneForgotten looks for documents with commands that nobody runs.
func TestNoneForgotten(t *testing.T) {
	t.Parallel()
	here, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range here {
		isWalked := slices.ContainsFunc(guides(), func(g guide) bool { return g.document == document })
		if document == "writing-a-backend.md" || isWalked {
			continue
		}
		for _, s := range steps(t, document) {
			if s.command != "" {
				t.Errorf("%s:%d: %s: nobody runs it; name the document in guides", document, s.line, s.command)
			}
		}
	}
}
