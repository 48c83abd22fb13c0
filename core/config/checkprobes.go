package config

import (
	"net/netip"
	"slices"

	"github.com/stentor-net/stentor/core/health"
)

// checkKind is one kind of check.
type checkKind struct {
	key string   // says what is asked, and thereby the kind
	own []string // the keys of this kind
	// pushed: others tell when the answer changes.
	pushed bool
	build  func(*builder, *table) health.Probe
}

func checkKinds() []checkKind {
	secure := []string{"tls_verify", "ca_file", "server_name"}
	return []checkKind{
		{key: "url", own: append([]string{"method", "host", "unix", "status", "match"}, secure...), build: (*builder).httpProbe},
		{key: "tcp", own: append([]string{"tls", "send", "expect"}, secure...), build: (*builder).tcpProbe},
		{key: "dns", own: []string{"query", "type", "rcode", "answer"}, build: (*builder).dnsProbe},
		{key: "exec", own: []string{"user"}, build: (*builder).execProbe},
		{key: "process", build: func(_ *builder, t *table) health.Probe { return health.Process{Name: of[string](t, "process")} }},
		{key: "file", own: []string{"weight_from_file"}, build: (*builder).fileProbe},
		{key: "icmp", build: func(_ *builder, t *table) health.Probe { return health.ICMP{Addr: of[netip.Addr](t, "icmp")} }},
		{key: "unit", pushed: true, build: func(_ *builder, t *table) health.Probe { return health.Unit{Name: of[string](t, "unit")} }},
		{key: "sessions", own: []string{"peers"}, pushed: true, build: (*builder).sessionsProbe},
		{key: "interface", pushed: true, build: func(_ *builder, t *table) health.Probe { return health.Interface{Name: of[string](t, "interface")} }},
		{key: "vip", pushed: true, build: func(_ *builder, t *table) health.Probe { return health.Gate{VIP: of[string](t, "vip")} }},
	}
}

// of is get where nobody asks for the place.
func of[T any](t *table, key string) T {
	x, _ := get[T](t, key)
	return x
}

// or is of with a default.
func or[T any](t *table, key string, standard T) T {
	if x, at := get[T](t, key); at != nil {
		return x
	}
	return standard
}

func (b *builder) httpProbe(t *table) health.Probe {
	p := health.HTTP{
		URL: of[string](t, "url"), Method: or(t, "method", "GET"), Host: of[string](t, "host"), Unix: of[string](t, "unix"),
		Status: or(t, "status", []health.StatusRange{{From: 200, To: 399}}), Match: of[string](t, "match"), TLS: b.tls(t),
	}
	if _, at := get[string](t, "match"); at != nil && p.Method == "HEAD" {
		b.fail(at.name(), `write method = "GET"`, "the answer to HEAD has no body to match")
	}
	if p.URL[:5] != "https" {
		b.noTLS(t, "the url is not https")
	}
	return p
}

// tls reads how a server proves who it is.
func (b *builder) tls(t *table) health.TLS {
	c := health.TLS{Skip: !or(t, "tls_verify", true), CAFile: of[string](t, "ca_file"), ServerName: of[string](t, "server_name")}
	_, at := get[string](t, "ca_file")
	switch {
	case at == nil:
	case c.Skip:
		b.fail(at.name(), "leave one of them out", "with tls_verify = false nobody looks at ca_file")
	case !b.opts.Offline:
		if _, err := health.ReadCAs(c.CAFile); err != nil {
			b.fail(at.whole(), "it holds the certificates of those who vouch for the server, as PEM", "ca_file can't be used: %v", err)
		}
	}
	return c
}

// noTLS reports keys about TLS where there is none.
func (b *builder) noTLS(t *table, why string) {
	for _, key := range []string{"tls_verify", "ca_file", "server_name"} {
		if t.has(key) {
			b.fail(t.items[key].at.name(), "leave it out", "%s has no use here: %s", key, why)
		}
	}
}

func (b *builder) tcpProbe(t *table) health.Probe {
	p := health.TCP{Addr: of[string](t, "tcp"), Secure: of[bool](t, "tls"), Send: of[string](t, "send"), Expect: of[string](t, "expect"), TLS: b.tls(t)}
	if !p.Secure {
		b.noTLS(t, "tls is not true")
	}
	return p
}

func (b *builder) dnsProbe(t *table) health.Probe {
	p := health.DNS{
		Addr: of[string](t, "dns"), Query: of[string](t, "query"), Type: or(t, "type", "A"),
		RCode: or(t, "rcode", "NOERROR"), Answer: of[string](t, "answer"),
	}
	if !t.has("query") {
		b.fail(t.whole(), `write query = "example.com": a name that the server knows by itself, so that the rest of the world can't fail the check`, "%s does not say which name to ask for", t.label)
	}
	if _, at := get[string](t, "answer"); at != nil && p.RCode != "NOERROR" {
		b.fail(at.name(), "leave one of them out", "an answer with rcode %s has no record", p.RCode)
	}
	return p
}

func (b *builder) execProbe(t *table) health.Probe {
	argv, at := get[[]string](t, "exec")
	p := health.Exec{Argv: argv, User: of[string](t, "user")}
	if b.opts.Offline {
		return p
	}
	first := at.elem(0, argv[0]).whole()
	if path, err := health.FindProgram(argv[0]); err != nil {
		b.fail(first, "install it, or write its whole path", "%v", err)
	} else if m := program(path); m != nil {
		b.fail(first, m.hint, "%s %s", path, m.msg)
	}
	if _, at := get[string](t, "user"); at != nil {
		if err := health.KnownUser(p.User); err != nil {
			b.fail(at.whole(), "", "%v", err)
		}
	}
	return p
}

func (b *builder) fileProbe(t *table) health.Probe {
	p := health.File{Path: of[string](t, "file"), FromWeight: of[bool](t, "weight_from_file")}
	if p.FromWeight {
		for _, key := range []string{"weight", "invert"} {
			if t.has(key) {
				b.fail(t.items[key].at.name(), "leave it out", "%s has no use here: the file says the weight", key)
			}
		}
	}
	return p
}

func (b *builder) sessionsProbe(t *table) health.Probe {
	n, at := get[int](t, "sessions")
	p := health.Sessions{AtLeast: n}
	var known []string
	for _, peer := range b.cfg.BGP.Peers {
		known = append(known, peer.Name)
	}
	names, peersAt := get[[]string](t, "peers")
	p.Peers = names
	for i, name := range names {
		if !slices.Contains(known, name) && !b.partial {
			b.fail(peersAt.elem(i, name).whole(), didYouMean(name, known), "there is no peer %q", name)
		}
	}
	all := len(known)
	if peersAt != nil {
		all = len(names)
	}
	if n > all && !b.partial {
		b.fail(at.whole(), "write at most that many", "sessions = %d is never met: the number of peers that count is %d", n, all)
	}
	return p
}
