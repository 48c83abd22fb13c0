// Command bench measures stentor on this machine, beside the BGP speakers that
// are installed, and prints one table.
//
// All of it happens in network namespaces that it makes and removes: one host,
// a router, and four peers that write down what they are told and when. Figures
// depend on the machine and on what else it does, so nothing here is a limit;
// the ratios between columns of one run say more than any column does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
)

// options is what the command line says.
type options struct {
	binary    string
	json      string
	runs      int
	otherRuns int
	vips      int
	idle      time.Duration
	flood     int
	churn     int
	bgp       bool
	cuts      int
	load      time.Duration
	only      *regexp.Regexp
}

func parse(args []string, errOut io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(errOut)
	f.StringVar(&o.binary, "binary", "bin/stentor", "the stentor `FILE` to measure")
	f.StringVar(&o.json, "json", "", "write the figures to this `FILE` too, with the value of each run")
	f.IntVar(&o.runs, "runs", 7, "how often each time of stentor is taken")
	f.IntVar(&o.otherRuns, "other-runs", 5, "how often each time of another speaker is taken")
	f.IntVar(&o.vips, "vips", 10000, "how many VIPs the measurement with many has")
	f.DurationVar(&o.idle, "idle", time.Minute, "how long the idle daemon is watched")
	f.IntVar(&o.flood, "flood", 100000, "how many routes a peer sends")
	f.IntVar(&o.churn, "churn", 1000, "how many reloads, and then drains, are counted for leaks")
	f.BoolVar(&o.bgp, "bgp", false, "measure what depends on the BGP speaker: native, gobgp, and others")
	f.IntVar(&o.cuts, "cuts", 10, "with -bgp, how often a path with BFD is cut")
	f.DurationVar(&o.load, "load", 10*time.Minute, "with -bgp, how long BFD is watched on a busy machine")
	only := f.String("only", "", "do what matches this `REGEXP` only, such as ^stentor: or FRR")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q; everything is a flag", f.Arg(0))
	case o.runs < 1, o.otherRuns < 1, o.churn < 1, o.cuts < 1:
		return o, errors.New("-runs, -other-runs, -churn and -cuts must be at least 1")
	case o.vips < 2 || o.vips > maxVIPs:
		return o, fmt.Errorf("-vips must be 2 to %d: so many fit in a config file of 1 MiB", maxVIPs)
	case o.flood < 1 || o.flood > maxFlood:
		return o, fmt.Errorf("-flood must be 1 to %d", maxFlood)
	case o.idle < time.Second, o.load < time.Second:
		return o, errors.New("-idle and -load must be at least 1s")
	}
	return o, nil
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == serveArg {
		if err := serve(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, "bench", o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures everything in a network called name, and prints what it has even
// if it was interrupted.
func run(ctx context.Context, name string, o options, out, talk io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces that FRR and BIRD can run in need root; run it with sudo")
	}
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return err
	}
	if _, err := os.Stat(binary); err != nil {
		return fmt.Errorf("%w; make it with: make build", err)
	}
	b, err := newBed(ctx, name)
	if err != nil {
		return err
	}
	t := newTable(describeMachine(), fmt.Sprintf("median (min..max) of %d runs, %d for the other speakers; N.Nx is theirs divided by the first column's; a tick is 10 ms of CPU time", o.runs, o.otherRuns))
	chapters := allChapters
	if o.bgp {
		chapters = bgpChapters
	}
	err = errors.Join(measure(ctx, chapters(ctx, b, t, o, binary), o, talk), b.close())
	t.print(out)
	if o.json != "" {
		err = errors.Join(err, t.writeJSON(o.json))
	}
	return err
}

// chapter is one thing to measure.
type chapter struct {
	what string
	do   func() error
}

// allChapters are about stentor with each of its backends.
func allChapters(ctx context.Context, b *bed, t *table, o options, binary string) []chapter {
	s := &stentor{bed: b, binary: binary, backend: lab.GoBGP}
	here := &stentor{bed: b, binary: binary, backend: lab.GoBGP, inside: true}
	chapters := []chapter{
		{"stentor: start and stop", func() error { return startStop(ctx, b, t, s, o.runs) }},
		{"stentor: kill -9", func() error { return kill(ctx, b, t, s, o.runs) }},
		{"stentor: reload", func() error { return reload(ctx, b, t, s, o.runs) }},
		{"stentor: an address deleted by hand", func() error { return vanish(ctx, b, t, s, o.runs) }},
		{fmt.Sprintf("stentor: %d VIPs", o.vips), func() error { return scaleStentor(ctx, b, t, s, o) }},
		{fmt.Sprintf("stentor: %d routes from a peer", o.flood), func() error { return flood(ctx, b, t, s, o.flood) }},
		{fmt.Sprintf("stentor: %d reloads and drains", o.churn), func() error { return churn(ctx, b, t, s, o.churn) }},
		{fmt.Sprintf("stentor: idle for %s", o.idle), func() error { return idle(ctx, b, t, s, o.idle) }},
		{"stentor: the speaker in a process of its own", func() error { return isolation(ctx, t, s, here, o) }},
		{here.name() + ": start and stop", func() error { return startStop(ctx, b, t, here, o.otherRuns) }},
	}
	t.column(s.name(), s.version(ctx))
	t.column(here.name(), s.version(ctx))
	t.note("stentor puts the addresses on the host too; restarted, it finds them there.")
	for _, kind := range []lab.Kind{lab.Native, lab.FRR, lab.BIRD} {
		s := &stentor{bed: b, binary: binary, backend: kind}
		t.column(s.name(), s.version(ctx))
		chapters = append(chapters, chapter{s.name() + ": start, stop and reload", func() error {
			return errors.Join(startStop(ctx, b, t, s, o.otherRuns), reload(ctx, b, t, s, o.otherRuns), s.dismiss(ctx))
		}})
	}
	t.note("With frr and bird, the daemon that stentor drives runs already; FRR and BIRD beside it start with a hand-written configuration.")
	for _, other := range otherSpeakers(b) {
		t.column(other.name(), other.version(ctx))
		if other.installed() {
			t.note(other.note())
			chapters = append(chapters,
				chapter{other.name() + ": start and stop", func() error { return startStop(ctx, b, t, other, o.otherRuns) }},
				chapter{fmt.Sprintf("%s: %d prefixes", other.name(), o.vips), func() error { return scale(ctx, b, t, other, o.vips) }})
		}
	}
	return chapters
}

// measure fills the table. What fails is told, and the rest goes on.
func measure(ctx context.Context, chapters []chapter, o options, talk io.Writer) error {
	var failed error
	for _, c := range chapters {
		if !o.only.MatchString(c.what) {
			continue
		}
		began := time.Now()
		fmt.Fprintf(talk, "%s ...", c.what)
		err := c.do()
		if ctx.Err() != nil {
			fmt.Fprintln(talk, " interrupted")
			return errors.Join(failed, errors.New("interrupted; the table has what was done by then"))
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", c.what, err))
			fmt.Fprintln(talk, " failed:", err)
			continue
		}
		fmt.Fprintf(talk, " %.0f s\n", time.Since(began).Seconds())
	}
	return failed
}
