package provider

import "time"

// generic is any place without a profile of its own: a top-of-rack switch, a
// route server, another host. The timers are what Linode and several anycast
// set-ups run: three missed keepalives, and a dead host is noticed within 9 s.
func generic() Provider {
	return Provider{
		Name:         "generic",
		Hold:         9 * time.Second,
		Keepalive:    3 * time.Second,
		ConnectRetry: connectRetry,
		ASNHint:      `write asn = NUMBER under [bgp]: the AS of this host; private use is 64512 to 65534 (RFC 6996)`,
	}
}
