package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/history"
)

func (a *app) watch() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use:   "watch",
		Short: "Print changes as they happen",
		Long: `Print a line for each change as it happens, until interrupted: of VIPs, peers,
checks, backends and the config. What happened before tells stentor history.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if a.json {
				return a.client().Watch(ctx, a.out)
			}
			r, w := io.Pipe()
			go func() { w.CloseWithError(a.client().Watch(ctx, w)) }()
			_, err := writeEvents(a.out, r, "15:04:05.000")
			return err
		},
	})
}

// writeEvents turns JSON lines into lines for people, each with its time in
// this form. It tells how many there were.
func writeEvents(w io.Writer, r io.Reader, form string) (n int, err error) {
	for dec := json.NewDecoder(r); ; n++ {
		var e history.Event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		writeEvent(w, e, form)
	}
}

func writeEvent(w io.Writer, e history.Event, form string) {
	line := fmt.Sprintf("%s %s: ", e.At.Local().Format(form), e.Object)
	switch {
	case e.From == "":
		line += "new, " + e.To
	case e.To == "":
		line += "gone"
	default:
		line += e.From + " -> " + e.To
	}
	if e.Why != "" {
		line += "; " + e.Why
	}
	fmt.Fprintln(w, line)
	if e.Output != "" {
		fmt.Fprintln(w, "    "+e.Output)
	}
}
