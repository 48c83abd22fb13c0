package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/probe"
)

// probeFlags are what the command line says beside the address.
type probeFlags struct {
	probe.Options
	tcp                int
	http, header, plot string
}

func (a *app) probe() *cobra.Command {
	f := probeFlags{Options: probe.Options{Interval: 100 * time.Millisecond, Timeout: time.Second}}
	c := a.jsonFlag(&cobra.Command{
		Use:   "probe IP",
		Short: "Watch from any machine who answers for an address, and each gap",
		Long: `Ask an address at a steady pace by ping, TCP or HTTP, and print who answers,
each change of that, each gap in ms, and a summary. Needs no daemon. Ping tells
hosts apart by their TTL, HTTP by a header or the page's first line.

Exit code 0: every request was answered; 4: some were lost.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeAddresses,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return a.runProbe(ctx, args[0], f)
		},
	})
	c.Flags().IntVar(&f.tcp, "tcp", 0, "open a connection to this `PORT` instead of a ping")
	c.Flags().StringVar(&f.http, "http", "", "get this `PATH` or URL, from the address whatever the URL's host is")
	c.Flags().StringVar(&f.header, "header", "", "the `NAME` of the header that tells who answered")
	c.Flags().DurationVar(&f.Interval, "interval", f.Interval, "the `TIME` from one request to the next")
	c.Flags().DurationVar(&f.Timeout, "timeout", f.Timeout, "how much `TIME` an answer has until it counts as lost")
	c.Flags().IntVar(&f.Count, "count", 0, "end after `N` requests; 0: go on until interrupted")
	c.Flags().DurationVar(&f.For, "for", 0, "end after this `TIME`")
	c.Flags().StringVar(&f.plot, "plot", "", "draw it all as SVG into this `FILE`")
	return c
}

func (a *app) runProbe(ctx context.Context, target string, f probeFlags) error {
	addr, err := netip.ParseAddr(target)
	if err != nil {
		return usage("%q is no address; a name may stand for several, so write one, like 203.0.113.10", target)
	}
	if err := f.check(); err != nil {
		return err
	}
	asker, what, err := f.asker(addr.Unmap())
	if err != nil {
		return err
	}
	defer asker.Close()
	out := probeScreen{w: a.out}
	out.tally.KeepStretches = f.plot != ""
	if a.json {
		out.lines = json.NewEncoder(a.out)
	}
	var plot *os.File
	if f.plot != "" { // now, so that an hour is not wasted
		if plot, err = os.Create(f.plot); err != nil {
			return err
		}
		defer plot.Close()
	}
	out.begin(addr, what, f.Interval)
	extra := probe.Run(ctx, asker, f.Options, out.add)
	out.end(extra)
	if plot != nil {
		if err := errors.Join(out.tally.Plot(plot, fmt.Sprintf("%s by %s", addr, what), f.Interval), plot.Close()); err != nil {
			return err
		}
	}
	if out.tally.Lost > 0 {
		return errNo
	}
	return nil
}

// check finds what does not go together.
func (f probeFlags) check() error {
	switch {
	case f.tcp != 0 && f.http != "":
		return usage("--tcp and --http: want one of them")
	case f.tcp < 0 || f.tcp > 65535:
		return usage("--tcp: a port is from 1 to 65535")
	case f.header != "" && f.http == "":
		return usage("--header needs --http")
	case f.Interval < time.Millisecond || f.Interval > time.Hour:
		return usage("--interval: want 1ms to 1h")
	case f.Timeout < time.Millisecond || f.Timeout > time.Minute:
		return usage("--timeout: want 1ms to 1m")
	case f.Count < 0:
		return usage("--count: want a number from 1 on, or 0 to go on until interrupted")
	case f.For < 0:
		return usage("--for: want a positive duration, like 30s")
	}
	return nil
}

// asker makes what asks, and says what that is.
func (f probeFlags) asker(addr netip.Addr) (probe.Asker, string, error) {
	switch {
	case f.tcp != 0:
		return probe.TCP{Addr: netip.AddrPortFrom(addr, uint16(f.tcp))}, fmt.Sprintf("TCP port %d", f.tcp), nil
	case f.http != "":
		p, err := probe.NewHTTP(addr, f.http, f.header)
		if err != nil {
			return nil, "", usage("--http: %v", err)
		}
		return p, "HTTP " + f.http, nil
	}
	p, err := probe.NewICMP(addr)
	return p, "ping", err
}
