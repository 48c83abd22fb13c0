package config

import (
	"flag"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stentor-net/stentor/plugins"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	ignoreIndex = cmpopts.IgnoreFields(Config{}, "index", "texts")
	netipValues = cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	}
)

// testOptions are backends with known gaps: plain can do little, iproute can
// use any link.
func testOptions() Options {
	all := []plugins.Cap{
		plugins.CapMD5, plugins.CapTCPAO, plugins.CapTTLSecurity, plugins.CapMultihop, plugins.CapBFD, plugins.CapBFDAuth, plugins.CapGracefulRestart,
		plugins.CapLocalAddr, plugins.CapLargeCommunities, plugins.CapMED, plugins.CapLocalPref, plugins.CapPrepend,
		plugins.CapNextHop, plugins.CapPerPeer,
	}
	infos := map[plugins.Kind]map[string][]plugins.Cap{
		plugins.KindNet: {"netplan": {plugins.CapPersist}, "iproute": {plugins.CapLink}},
		plugins.KindBGP: {"native": all, "gobgp": all, "frr": append(slices.Clone(all), plugins.CapOutlivesDaemon), "plain": nil},
	}
	return Options{
		Offline: true,
		Info: func(kind plugins.Kind, name string) (plugins.Info, bool) {
			caps, ok := infos[kind][name]
			return plugins.Info{Name: name, Kind: kind, Caps: caps}, ok
		},
		Names: func(kind plugins.Kind) []string {
			var names []string
			for n := range infos[kind] {
				names = append(names, n)
			}
			return names
		},
	}
}

func loadText(text string) (*Config, []Finding, error) {
	return load(&report{}, []*source{newSource("test.toml", []byte(text))}, testOptions())
}

func mustLoad(t *testing.T, text string) *Config {
	t.Helper()
	cfg, _, err := loadText(text)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
