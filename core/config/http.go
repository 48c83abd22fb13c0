package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// HTTP is [http].
type HTTP struct {
	// Listen is where the status page is served; zero: nowhere, no port is opened.
	Listen netip.AddrPort
}

// http reads the listener of the status page.
func (b *builder) http() {
	listen, at := get[netip.AddrPort](b.root.sub("http"), "listen")
	if at == nil {
		return
	}
	b.cfg.HTTP.Listen = listen
	if !listen.Addr().IsLoopback() {
		b.warn(at.whole(), fmt.Sprintf("anybody who can reach that port reads all of the status, without a password; \"127.0.0.1:%d\" is for this host alone, and ssh -L or a reverse proxy brings others there", listen.Port()),
			"the status page is open to the network on %s", listen)
	}
}

// listenAddress reads where to listen: an address of this host and a port.
func listenAddress(s string) (netip.AddrPort, *mistake) {
	const form = `an address and a port: "127.0.0.1:9600", "[::1]:9600"`
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return a, &mistake{fmt.Sprintf("%q is no address to listen on", s), listenHint(s, form)}
	}
	switch {
	case a.Port() == 0:
		return a, &mistake{s + " has port 0, which is another port each time", form}
	case a.Addr().Is4In6():
		return a, &mistake{s + " is an IPv4 address in IPv6 form", fmt.Sprintf("write %q", netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))}
	case a.Addr().IsMulticast():
		return a, &mistake{s + " is a multicast address", form}
	case a.Addr().IsLinkLocalUnicast() && a.Addr().Is6() && a.Addr().Zone() == "":
		return a, &mistake{s + " is link-local and names no link", fmt.Sprintf(`write the link after it: "[%s%%eth0]:%d"`, a.Addr(), a.Port())}
	}
	return a, nil
}

// listenHint tells what s was probably meant to be.
func listenHint(s, form string) string {
	host, port := s, "9600"
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		if n, err := strconv.ParseUint(s[i+1:], 10, 16); err == nil && n > 0 {
			host, port = s[:i], s[i+1:]
		}
	}
	switch {
	case host == "localhost":
		return fmt.Sprintf(`write "127.0.0.1:%s"`, port)
	case host == "" || host == "*":
		return fmt.Sprintf(`write "127.0.0.1:%s" for this host alone, or "[::]:%s" for every address`, port, port)
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return fmt.Sprintf("write %q", netip.AddrPortFrom(a, 9600))
	}
	return form
}
