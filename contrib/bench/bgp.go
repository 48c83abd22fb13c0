package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/stentor-net/stentor/contrib/lab"
)

// fewChurns show whether a session is lost; what leaks takes more of them.
const fewChurns = 20

// bgpChapters are what depends on the BGP speaker: the native one first, which
// the others are compared with.
func bgpChapters(ctx context.Context, b *bed, t *table, o options, binary string) []chapter {
	native := &stentor{bed: b, binary: binary, backend: lab.Native}
	embedded := &stentor{bed: b, binary: binary, backend: lab.GoBGP}
	speakers := []speaker{native, embedded}
	t.column(native.name(), native.version(ctx))
	t.column(embedded.name(), embedded.version(ctx))
	t.note("stentor is gobgp, stentor, native the default. Both have the speaker in a process of its own, which the figures of memory and CPU are of; they put the addresses on the host too.")
	for _, other := range otherSpeakers(b) {
		t.column(other.name(), other.version(ctx))
		if other.installed() {
			t.note(other.note())
			speakers = append(speakers, other)
		}
	}
	var all []chapter
	for _, s := range speakers {
		runs := o.otherRuns
		if s == native {
			runs = o.runs
		}
		all = append(all,
			chapter{s.name() + ": start and stop", func() error { return startStop(ctx, b, t, s, runs) }},
			chapter{fmt.Sprintf("%s: idle for %s", s.name(), o.idle), func() error { return idleSpeaker(ctx, b, t, s, o.idle) }},
			chapter{s.name() + ": session reset", func() error { return reset(ctx, b, t, s) }},
			chapter{fmt.Sprintf("%s: %d routes from a peer", s.name(), o.flood), func() error { return drown(ctx, b, t, s, o.flood) }})
		if ours, ok := s.(*stentor); ok {
			all = append(all,
				chapter{fmt.Sprintf("%s: %d announcements", s.name(), o.vips), func() error { return applied(ctx, b, t, ours, o.vips, o.runs) }},
				chapter{s.name() + ": kill -9, reloads and drains", func() error {
					return errors.Join(kill(ctx, b, t, s, runs), reload(ctx, b, t, ours, runs), churn(ctx, b, t, ours, min(o.churn, fewChurns)))
				}})
		} else {
			all = append(all, chapter{fmt.Sprintf("%s: %d prefixes", s.name(), o.vips), func() error { return scale(ctx, b, t, s, o.vips) }})
		}
	}
	t.note("A silent cut is measured between the native speaker and FRR or BIRD, until the far one has no route any more.")
	for _, far := range farSpeakers() {
		all = append(all, chapter{native.name() + ": silent cut, " + far.name, func() error { return cut(ctx, t, native.name(), far, o) }})
	}
	return all
}
