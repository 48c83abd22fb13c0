package migrate

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/stentor-net/stentor/core/provider"
)

const (
	// linodePattern has the route servers' addresses: the data centre's number
	// and the server's, both in decimal digits.
	linodePattern = "2600:3c0f:%d:34::%d"
	// linodeServers is how many route servers each data centre has.
	linodeServers = 4
	// linodeTTL and linodeHold, in seconds, are lelastic's, and so the provider's.
	linodeTTL  = 16
	linodeHold = 9
)

// Lelastic are the flags of Linode's lelastic 0.2.
type Lelastic struct {
	DCID               int
	Primary, Secondary bool
	Send56, AllIfs     bool
	LogLevel           string // trace, debug, info or warn
	LogJSON            bool
	MultihopTTL        int
	NeighborPattern    string
	Version            bool
}

// ParseLelastic reads lelastic's command line as lelastic does: by Go's flag
// package, which takes -flag and --flag, and ignores whatever follows the first
// word that is no flag. The talk of a mistake goes to usage.
func ParseLelastic(args []string, usage io.Writer) (Lelastic, error) {
	var l Lelastic
	f := flag.NewFlagSet("lelastic", flag.ContinueOnError)
	f.SetOutput(usage)
	f.IntVar(&l.DCID, "dcid", 0, "`NUMBER` of the data centre")
	f.BoolVar(&l.Primary, "primary", false, "announce as primary")
	f.BoolVar(&l.Secondary, "secondary", false, "announce as secondary")
	f.BoolVar(&l.Send56, "send56", false, "announce IPv6 as /56, where the address does not stand as /64")
	f.BoolVar(&l.AllIfs, "allifs", false, "announce what stands on any link, not lo alone")
	f.StringVar(&l.LogLevel, "loglevel", "info", "`LEVEL`: trace, debug, info or warn")
	f.BoolVar(&l.LogJSON, "logjson", false, "log as JSON lines")
	f.IntVar(&l.MultihopTTL, "multihopttl", linodeTTL, "`TTL` of the sessions' packets")
	f.StringVar(&l.NeighborPattern, "neighborpattern", linodePattern, "`ADDRESS` of the route servers, with %d for the data centre and %d for the server")
	f.BoolVar(&l.Version, "version", false, "print the version and exit")
	if err := f.Parse(args); err != nil {
		return l, err
	}
	return l, l.check()
}

// check refuses what lelastic could not start with either, but for a data
// centre's number that no address needs.
func (l Lelastic) check() error {
	switch {
	case l.Version:
		return nil
	case l.DCID <= 1 && strings.Count(l.NeighborPattern, "%d") != 1:
		return errors.New("it needs -dcid NUMBER: the data centre")
	case !l.Primary && !l.Secondary:
		return errors.New("it needs -primary or -secondary")
	case l.MultihopTTL < 1 || l.MultihopTTL > 255:
		return fmt.Errorf("-multihopttl %d is no TTL: it is from 1 to 255", l.MultihopTTL)
	}
	_, err := l.Neighbors()
	return err
}

// Neighbors are the route servers.
func (l Lelastic) Neighbors() ([]netip.Addr, error) {
	var all []netip.Addr
	for i := 1; i <= linodeServers; i++ {
		text := l.NeighborPattern
		if strings.Count(text, "%d") > 1 {
			text = strings.Replace(text, "%d", strconv.Itoa(l.DCID), 1)
		}
		text = strings.Replace(text, "%d", strconv.Itoa(i), 1)
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("route server %d would be %q, which is no address: look at -dcid and -neighborpattern", i, text)
		}
		if len(all) > 0 && a == all[0] {
			return nil, fmt.Errorf("-neighborpattern %q has no %%d for the number of the route server", l.NeighborPattern)
		}
		all = append(all, a)
	}
	return all, nil
}

// Role is what the flags say; -primary wins over -secondary.
func (l Lelastic) Role() string {
	if l.Primary {
		return "primary"
	}
	return "secondary"
}

// String is the command line again, in a fixed order and without defaults.
func (l Lelastic) String() string {
	words := []string{"lelastic", "-dcid", strconv.Itoa(l.DCID)}
	for _, f := range []struct {
		on   bool
		text string
	}{
		{l.Primary, "-primary"}, {l.Secondary, "-secondary"}, {l.Send56, "-send56"}, {l.AllIfs, "-allifs"},
		{l.LogLevel != "info", "-loglevel " + l.LogLevel}, {l.LogJSON, "-logjson"},
		{l.MultihopTTL != linodeTTL, "-multihopttl " + strconv.Itoa(l.MultihopTTL)},
		{l.NeighborPattern != linodePattern, "-neighborpattern " + l.NeighborPattern},
	} {
		if f.on {
			words = append(words, f.text)
		}
	}
	return strings.Join(words, " ")
}

// knownDC tells whether the provider's own table gives the same route servers.
func (l Lelastic) knownDC() bool {
	linode, ok := provider.Lookup("linode")
	if !ok || l.NeighborPattern != linodePattern {
		return false
	}
	return len(linode.PeersAt(l.DCID)) == linodeServers
}
