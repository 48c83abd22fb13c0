package ifupdown

import (
	"io/fs"
	"slices"

	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
)

// layout is what interfaces(5) and all that it sources say, as far as our file
// and lo go.
type layout struct {
	reads  bool // our file is sourced
	autoLo bool // some other file brings lo up at boot
}

func readLayout(root fs.FS) (layout, error) {
	i, err := netfiles.ReadInterfaces(root)
	l := layout{reads: i.Reads(own)}
	for _, line := range i.Lines {
		auto := line.Words[0] == "auto" || line.Words[0] == "allow-auto"
		if auto && line.Path != own && slices.Contains(line.Words[1:], "lo") {
			l.autoLo = true
		}
	}
	return l, err
}
