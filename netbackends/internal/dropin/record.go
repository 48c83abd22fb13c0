package dropin

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
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

// kept gives the VIPs that files of ours put on the host at boot.
func (e *Engine) kept() ([]plugins.VIP, error) {
	vips, _, err := e.own()
	return vips, err
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
