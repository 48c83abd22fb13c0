package dropin

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/netbackends/internal/live"
	"github.com/stentor-net/stentor/plugins"
)

// vipLine begins the comment that names a VIP in our files, in each stack's
// language. It makes the file tell what is ours without the stack's parser.
const vipLine = "# vip "

// Comment is the line that names v.
func Comment(v plugins.VIP) string { return vipLine + v.Addr.String() + " " + v.Name }

// Manual is the comment below the header that says how to do without us.
func Manual(path string) string {
	return "# Edits by hand are reported and kept. To be rid of this file, take the VIPs out of\n" +
		"# the config and run: stentor apply. By hand: rm " + path + "\n" +
		"# and, for each address below: ip address del ADDRESS dev lo\n"
}

// Named reads the VIPs from a file of ours, edited or not.
func Named(content []byte) []plugins.VIP {
	var vips []plugins.VIP
	for line := range bytes.Lines(content) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(string(line)), vipLine)
		if !ok {
			continue
		}
		addr, name, _ := strings.Cut(rest, " ")
		a, err := netip.ParseAddr(addr)
		if err == nil && a.IsGlobalUnicast() && a.Zone() == "" && name != "" {
			vips = append(vips, plugins.VIP{Name: name, Addr: a, Link: Link})
		}
	}
	return vips
}

// lookHost looks at the host, with what all files say of its addresses.
func (e *Engine) lookHost(ctx context.Context) (*live.State, error) {
	kept, _, err := e.own()
	if err != nil {
		return nil, err
	}
	s, err := e.live.Look(ctx, kept)
	if err != nil {
		return nil, err
	}
	s.Theirs = e.theirs()
	return s, nil
}

// theirs has the addresses that files of others bring to lo as we would put
// them there. With another length they are none: what is wanted is not there.
func (e *Engine) theirs() map[netip.Addr]string {
	all := map[netip.Addr]string{}
	for _, a := range e.stack.Theirs() {
		if a.Prefix.IsSingleIP() {
			all[a.Prefix.Addr()] = a.Path
		}
	}
	return all
}

// own gives the VIPs in files of ours, and which of these were edited by hand.
func (e *Engine) own() (vips []plugins.VIP, edited []string, err error) {
	places, err := e.stack.Places()
	if err != nil {
		return nil, nil, err
	}
	for _, p := range places {
		s, err := e.root.Read(p.Path)
		if err != nil {
			return nil, nil, fmt.Errorf("look for files of ours: %w", err)
		}
		switch {
		case !s.Exists:
			continue
		case hostfile.OwnerOf(s.Body) == hostfile.Foreign:
			continue
		case hostfile.OwnerOf(s.Body) == hostfile.Edited:
			edited = append(edited, p.Path)
		}
		vips = append(vips, Named(s.Body)...)
	}
	return vips, edited, nil
}
