package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/core/health"
)

// maxChecks bounds the checks of one host: each can hold a thread of the kernel
// while it hangs.
const maxChecks = 4096

// check are the keys of [check.NAME] and [vip.NAME.check.NAME].
func check() *spec {
	return &spec{keys: map[string]reader{
		"every":      duration{lo: 100 * time.Millisecond, hi: time.Hour}.read,
		"timeout":    duration{lo: 10 * time.Millisecond, hi: time.Hour}.read,
		"fast_every": duration{lo: 50 * time.Millisecond, hi: time.Hour}.read,
		"rise":       integer(1, 100),
		"fall":       integer(1, 100),
		"initial":    oneOf(health.Unknown, health.Up, health.Down),
		"weight":     integer(1, 254),
		"invert":     truth,

		"url":    text("http://127.0.0.1/healthz", checkURL),
		"method": oneOf("GET", "HEAD", "POST", "OPTIONS"),
		"host":   text("www.example.com", hostHeader),
		"unix":   text("/run/app.sock", absolute),
		"status": statusRanges,
		"match":  text("ok|ready", expression),

		"tcp":         text("127.0.0.1:6379", hostPort),
		"tls":         truth,
		"tls_verify":  truth,
		"ca_file":     text("/etc/ssl/certs/internal-ca.pem", absolute),
		"server_name": text("www.example.com", hostHeader),
		"send":        text(`PING\r\n`, talk),
		"expect":      text("+PONG", talk),

		"dns":    text("127.0.0.1:53", dnsServer),
		"query":  text("example.com", domain),
		"type":   text("A", recordType),
		"rcode":  text("NOERROR", responseCode),
		"answer": text("192.0.2.1", talk),

		"exec": command(programName),
		"user": text("nobody", anyText),

		"process":          text("nginx", processName),
		"file":             text("/run/app.ready", absolute),
		"weight_from_file": truth,
		"icmp":             text("192.0.2.1", anyAddress),
		"unit":             text("nginx.service", unitName),
		"sessions":         integer(1, 256),
		"peers":            list[string](256, text("tor1", name)),
		"interface":        text("eth1", link),
		"vip":              text("web", name),
	}}
}

// commonKeys are those of a check of any kind; pushed ones lack the last two.
var commonKeys = []string{"every", "fast_every", "rise", "initial", "weight", "invert", "fall", "timeout"}

// checks reads [check.NAME] and [vip.NAME.check.NAME].
func (b *builder) checks() {
	for _, v := range b.vips {
		own := v.t.sub("check")
		for _, n := range own.subNames() {
			b.addCheck(v.name+"/"+n, own.sub(n), v)
		}
	}
	all := b.root.sub("check")
	for _, n := range all.subNames() {
		b.addCheck(n, all.sub(n), nil)
	}
	if len(b.cfg.Checks) > maxChecks {
		b.fail(place{src: b.main}, "", "%d checks are defined, and there can be %d", len(b.cfg.Checks), maxChecks)
	}
	slices.SortFunc(b.cfg.Checks, func(x, y health.Spec) int { return cmp.Compare(x.Name, y.Name) })
}

// addCheck reads one check; of is the VIP that it belongs to, nil if it is shared.
func (b *builder) addCheck(name string, t *table, of *vip) {
	kind := b.checkKind(t)
	if kind == nil {
		return
	}
	s := health.Spec{Name: name, Initial: health.Unknown, Weight: 1, Rise: 2, Fall: 3}
	if kind.pushed {
		s.Rise, s.Fall = 1, 1
	}
	s.Probe = kind.build(b, t)
	if gate, ok := s.Probe.(health.Gate); ok {
		_, at := get[string](t, "vip")
		b.gates = append(b.gates, gateUse{check: name, of: of, to: gate.VIP, at: at})
	}
	b.counts(&s, t)
	b.cfg.Checks = append(b.cfg.Checks, s)
}

// counts reads when a check runs and how its results count.
func (b *builder) counts(s *health.Spec, t *table) {
	s.Every = 2 * time.Second
	if d, at := get[time.Duration](t, "every"); at != nil {
		s.Every = d
	}
	s.Timeout, s.FastEvery = min(time.Second, s.Every), s.Every
	if d, at := get[time.Duration](t, "timeout"); at != nil {
		s.Timeout = d
		if d > s.Every {
			b.fail(at.whole(), fmt.Sprintf("write at most %q, or a longer every: a run ends before the next begins", short(s.Every)), "timeout %s is longer than every %s", short(d), short(s.Every))
		}
	}
	if d, at := get[time.Duration](t, "fast_every"); at != nil {
		s.FastEvery = d
		if d > s.Every {
			b.fail(at.whole(), "it is the pace while something is undecided: write less than every", "fast_every %s is longer than every %s", short(d), short(s.Every))
		}
	}
	if n, at := get[int](t, "rise"); at != nil {
		s.Rise = n
	}
	if n, at := get[int](t, "fall"); at != nil {
		s.Fall = n
	}
	if state, at := get[health.State](t, "initial"); at != nil {
		s.Initial = state
	}
	if n, at := get[int](t, "weight"); at != nil {
		s.Weight = n
	}
	s.Invert, _ = get[bool](t, "invert")
}

// checkKind finds the key that says what a check asks, and reports keys of
// other kinds beside it.
func (b *builder) checkKind(t *table) *checkKind {
	all := checkKinds()
	var kind *checkKind
	for i, k := range all {
		if !t.has(k.key) {
			continue
		}
		if kind != nil {
			b.fail(t.items[k.key].at.name(), "make two checks of it: a VIP can have several", "%s says both %s and %s", t.label, kind.key, k.key)
			return nil
		}
		kind = &all[i]
	}
	if kind == nil {
		var keys []string
		for _, k := range all {
			keys = append(keys, k.key)
		}
		b.fail(t.whole(), "write one of "+strings.Join(keys, ", "), "%s does not say what to check", t.label)
		return nil
	}
	b.misplaced(t, kind, all)
	if t.items[kind.key].data == nil {
		return nil // it was reported
	}
	return kind
}

// misplaced reports keys that a check of this kind has no use for.
func (b *builder) misplaced(t *table, kind *checkKind, all []checkKind) {
	common := commonKeys
	if kind.pushed {
		common = common[:len(common)-2]
	}
	for key, it := range t.items {
		if key == kind.key || slices.Contains(common, key) || slices.Contains(kind.own, key) {
			continue
		}
		hint := "leave it out"
		switch {
		case slices.Contains(commonKeys, key):
			hint = "leave it out: " + kind.key + " is not asked, it tells by itself"
		default:
			var homes []string
			for _, k := range all {
				if slices.Contains(k.own, key) {
					homes = append(homes, k.key)
				}
			}
			hint = "it is for a check with " + strings.Join(homes, " or ")
		}
		b.fail(it.at.name(), hint, "%s is of no use in a check with %s", key, kind.key)
	}
}
