package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/history"
)

// fewEvents is what history shows unless it is asked for more: a screen or two.
const fewEvents = 50

func (a *app) history() *cobra.Command {
	var req control.HistoryRequest
	var since string
	c := a.jsonFlag(&cobra.Command{
		Use:   "history [VIP | KIND [NAME]]",
		Short: "Show what changed, when and why",
		Long: `Show what changed, when and why: of all, of a VIP with its own checks, or of
another object as the lines name it, like peer rs1, check dns or config. Without
--since and --lines it shows the newest 50.

It needs no daemon; then it shows what the last one wrote.`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: a.completeObjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			var err error
			if req.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			if req.Last < 0 {
				return usage("--lines: want a number from 1 on, or 0 for all")
			}
			if since == "" && !cmd.Flags().Changed("lines") {
				req.Last = fewEvents
			}
			if len(args) == 2 && !slices.Contains(namedKinds, args[0]) {
				return usage("%q is no kind of object that has names; there are: %s", args[0], strings.Join(namedKinds, ", "))
			}
			if len(args) > 0 {
				req.Object = object(strings.Join(args, " "))
			}
			return a.showHistory(ctx, req)
		},
	})
	c.Flags().StringVar(&since, "since", "", "not older than `TIME`: 90m ago, or 2026-01-31 or \"2026-01-31 15:04\" here, or in RFC 3339")
	c.Flags().IntVarP(&req.Last, "lines", "n", 0, "the newest `N`; 0: all")
	c.Flags().BoolVarP(&req.Follow, "follow", "f", false, "go on with what happens, until interrupted")
	return c
}

// Kinds of objects: of the first there are several, each with its name.
var (
	namedKinds  = []string{"vip", "peer", "check", "backend"}
	singleKinds = []string{"network", "bgp", "config", "daemon", "history", "http"}
)

// object is what a person means by one or two words: a VIP, unless they name the kind.
func object(words string) string {
	if strings.Contains(words, " ") || slices.Contains(singleKinds, words) {
		return words
	}
	return "vip " + words
}

// parseSince reads how long ago, or when.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage("--since: %q is no time; write 90m, 2026-01-31 or \"2026-01-31 15:04\"", text)
}

// showHistory asks the daemon; without one it looks into its files.
func (a *app) showHistory(ctx context.Context, req control.HistoryRequest) error {
	source := a.client().History
	if running, err := a.client().Running(ctx); err != nil {
		return err
	} else if !running && !req.Follow {
		fmt.Fprintf(a.talk, "no daemon answers on %s; this is what the last one wrote\n", a.socket)
		source = a.filedHistory
	}
	if a.json {
		return source(ctx, req, a.out)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(source(ctx, req, w)) }()
	n, err := writeEvents(a.out, r, "2006-01-02 15:04:05.000")
	if err == nil && n == 0 && ctx.Err() == nil {
		fmt.Fprintln(a.talk, "no such event is on record")
	}
	return err
}

// filedHistory writes what the files hold.
func (a *app) filedHistory(_ context.Context, req control.HistoryRequest, w io.Writer) error {
	enc := history.NewEncoder(w)
	var failed error
	err := history.Read(history.Dir(a.stateDir), req.Query, func(e history.Event) bool {
		failed = enc.Encode(e)
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	return err
}
