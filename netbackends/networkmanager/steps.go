package networkmanager

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/plugins"
)

// steps puts the change in the order in which Apply goes.
func (c change) steps(f facts) []plugins.Step {
	var steps []plugins.Step
	step := func(verb, object, diff string) {
		steps = append(steps, plugins.Step{Verb: verb, Object: object, Diff: diff})
	}
	for _, e := range c.next.VIPs {
		if e.Adopted && !slices.Contains(f.ledger.VIPs, e) {
			step("adopt", address(e.Addr, e.Link), "")
		}
	}
	if c.profile != keep {
		file, before, after := fileName, []byte(nil), []byte(nil)
		if f.ours != nil {
			before = f.ours.text.bytes()
			if f.ours.file != "" {
				file = f.ours.file
			}
		}
		if c.profile != remove {
			after = c.want.keyfile().bytes()
		}
		step(string(c.profile), file, hostfile.Unified(file, before, after))
	}
	shown := len(steps)
	for _, a := range missing(c.want, f.kernel) {
		step("add", address(a, f.device.link), "")
	}
	for _, a := range c.had.addrs {
		if !slices.Contains(c.want.addrs, a) && f.kernel.has(a, f.device.link) {
			step("remove", address(a, f.device.link), "")
		}
	}
	if c.live != keep && len(steps) == shown {
		step("restart", fmt.Sprintf("profile %s on %s", profileID, f.device.link), "")
	}
	for _, s := range f.strays {
		step("remove", s.file, hostfile.Unified(s.file, s.text.bytes(), nil))
	}
	for _, a := range c.spare {
		step("put back", address(a, loopback.link), "") // NetworkManager takes it off
	}
	if len(steps) == 0 && !f.ledger.equal(c.next) {
		step("change", "the record of VIP names", "")
	}
	return steps
}

func address(a netip.Addr, link string) string {
	return fmt.Sprintf("address %s on %s", hostLength(a), link)
}
