package networkmanager

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/plugins"
)

// allowed refuses what would disturb somebody else, before anything is written.
func (c *change) allowed(f facts) error {
	if f.ours != nil && f.ours.edited && !f.force {
		return edited(*f.ours, c.want)
	}
	for _, s := range f.strays {
		if s.edited && !f.force {
			return edited(s, profile{})
		}
		if s.link != loopback.link {
			continue
		}
		if strange := c.strangers(f, s.link); len(strange) > 0 {
			return fmt.Errorf("%s is ours, and no longer needed; deleting it would take %s off lo, which are not ours; "+
				"remove them, or apply with --force to have them put back (%w)", s, listed(strange), plugins.ErrForeign)
		}
	}
	if c.live == keep && c.profile != remove {
		return nil
	}
	if len(f.rivals) > 0 && c.profile == add {
		r := f.rivals[0]
		return fmt.Errorf("NetworkManager's %s is where ours belongs, and not ours; rename or delete it: nmcli connection delete %s (%w)",
			r, r.uuid, plugins.ErrForeign)
	}
	if f.device.own() {
		return c.ownAllowed(f)
	}
	return c.loopbackAllowed(f)
}

// edited is the refusal of a profile of ours that somebody changed.
func edited(s stored, want profile) error {
	var after []byte
	if len(want.addrs) > 0 {
		after = want.keyfile().bytes()
	}
	return fmt.Errorf("%s is ours, and was edited by somebody: it is left as it is; apply with --force to write it anew, a copy is kept (%w)\n%s",
		s, plugins.ErrForeign, hostfile.Unified(s.file, s.text.bytes(), after))
}

func (c *change) ownAllowed(f facts) error {
	link := f.device.link
	if _, there := f.kernel.links[link]; there && f.ours == nil {
		return fmt.Errorf("there is a link %s already, and no profile of ours made it; rename or delete it: ip link delete %s (%w)",
			link, link, plugins.ErrForeign)
	}
	return c.sole(f)
}

// sole refuses to push another active profile off the device.
func (c *change) sole(f facts) error {
	if c.live != activate || f.carrier == nil || f.carrier.profile == "" || f.carrier.external || f.active() {
		return nil
	}
	return fmt.Errorf("another profile is active on %s, and ours would displace it: see nmcli device show %s (%w)",
		f.device.link, f.device.link, plugins.ErrForeign)
}

func (c *change) loopbackAllowed(f facts) error {
	if !f.version.atLeast(loopbackSince) {
		return fmt.Errorf("device = \"lo\" needs NetworkManager %s or newer, and this is %s: leave the setting out, and addresses go on a dummy device (%w)",
			loopbackSince, f.version, plugins.ErrUnsupported)
	}
	if err := c.sole(f); err != nil {
		return err
	}
	if c.live == reapply && f.version.atLeast(preserveSince) {
		return nil
	}
	strange := c.strangers(f, f.device.link)
	if len(strange) == 0 {
		return nil
	}
	const fix = "leave out device = \"lo\", or remove them: ip address delete ADDRESS dev lo, or apply with --force to have them put back"
	switch {
	case c.live == activate:
		return fmt.Errorf("lo carries %s, and NetworkManager takes off all but its own when it activates a profile there: %s (%w)",
			listed(strange), fix, plugins.ErrForeign)
	case !f.version.atLeast(preserveSince):
		return fmt.Errorf("lo carries %s, and NetworkManager %s takes off all but its own when it changes a profile there (%s does not): %s (%w)",
			listed(strange), f.version, preserveSince, fix, plugins.ErrForeign)
	case c.profile == remove && len(c.had.addrs) == 0:
		return fmt.Errorf("%s holds no address any more, and stays: deleting it would take %s off lo, which are not ours; "+
			"remove them, or apply with --force to have them put back (%w)", f.ours, listed(strange), plugins.ErrForeign)
	case c.profile == remove:
		// At least ours go, now and for good.
		c.profile, c.live, c.spare = update, reapply, nil
	}
	return nil
}

// others are addresses on link that are not by our doing.
func (f facts) others(link string) []netip.Addr {
	return slices.DeleteFunc(f.kernel.on(link), func(a netip.Addr) bool { return f.belongs(a, link) })
}

func listed(addrs []netip.Addr) string {
	words := make([]string, 0, len(addrs))
	for i, a := range addrs {
		if i == 5 {
			words = append(words, fmt.Sprintf("%d more", len(addrs)-i))
			break
		}
		words = append(words, hostLength(a))
	}
	return strings.Join(words, ", ")
}
