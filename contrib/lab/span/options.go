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
