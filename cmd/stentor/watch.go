package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/status"
)

func (a *app) watch() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use:   "watch",
		Short: "Print changes as they happen",
		Long:  "Print a line for each change of a VIP, a peer or the config, until interrupted.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if a.json {
				return a.client().Watch(ctx, a.out)
			}
			r, w := io.Pipe()
			go func() { w.CloseWithError(a.client().Watch(ctx, w)) }()
			return writeEvents(a.out, r)
		},
	})
}

// writeEvents turns JSON lines into lines for people.
func writeEvents(w io.Writer, r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var e status.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("the daemon sent no event: %w", err)
		}
		line := fmt.Sprintf("%s %s: ", e.Time.Local().Format("15:04:05.000"), e.Object)
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
	}
	return lines.Err()
}
