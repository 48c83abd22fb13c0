package span

import (
	"github.com/vishvananda/netns"

	ours "github.com/stentor-net/stentor/contrib/lab/internal/netns"
	"github.com/stentor-net/stentor/plugins"
)

// Options are how the far speaker is set up.
type Options struct {
	BFD *plugins.BFD // nil: without
	// Auth is what BIRD's configuration says of BFD authentication.
	Auth string
	// Inside gives the command that runs a program of another system, which has
	// the span's folder at the same path; nil: it is one of this system.
	Inside func(argv ...string) []string
}

// on are processes on the far host, with the programs that the options say.
func (o Options) on(s *Span) processes {
	inside := o.Inside
	if inside == nil {
		inside = func(argv ...string) []string { return argv }
	}
	return processes{span: s, inside: inside}
}

// data is what the templates are filled from.
func (o Options) data() any {
	return struct {
		Options
		Neighbors []neighbor
		Families  []string
	}{o, neighbors(), []string{"ipv4", "ipv6"}}
}

func nsHandle(n *ours.Namespace) netns.NsHandle { return netns.NsHandle(n.Fd()) }
