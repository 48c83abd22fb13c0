package main

import (
	"fmt"
	"io"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/plugins"
)

// writeSignals shows what the backends looked at, each fact once.
func writeSignals(w io.Writer, title string, backends []candidate) {
	seen := map[plugins.Signal]bool{}
	var rows [][]string
	for _, b := range backends {
		for _, s := range b.looked {
			if !seen[s] {
				seen[s] = true
				rows = append(rows, []string{"  " + s.Name, s.Value})
			}
		}
	}
	if len(rows) == 0 {
		return
	}
	if title != "" {
		fmt.Fprintln(w, title)
	}
	for _, line := range columns(rows) {
		fmt.Fprintln(w, line)
	}
}

func writeChecked(w io.Writer, cfg *config.Config, c checked) {
	for _, f := range c.Config {
		fmt.Fprintln(w, f)
	}
	fmt.Fprintf(w, "config: %s, %s, AS%d, by %s\n", number(len(cfg.VIPs), "VIP"), number(len(cfg.BGP.Peers), "peer"), cfg.BGP.ASN, cfg.BGP.Backend)
	if len(c.Backends) == 0 {
		return
	}
	fmt.Fprintln(w, "\nnetwork backends")
	var rows [][]string
	for _, b := range c.Backends {
		mark := " "
		if b.Chosen {
			mark = "*"
		}
		rows = append(rows, []string{mark + " " + b.Name, fmt.Sprintf("score %d", b.Score), b.Why})
	}
	for _, line := range columns(rows) {
		fmt.Fprintln(w, line)
	}
	writeSignals(w, "\nwhat they looked at", c.Backends)
	fmt.Fprintf(w, "\nBGP backend\n* %s  %s\n", c.BGP.Name, c.BGP.Why)
	writeSignals(w, "", []candidate{*c.BGP})
	fmt.Fprintln(w, "\nhost")
	for _, f := range c.Host {
		place := f.Place()
		if place != "" {
			place += ": "
		}
		fmt.Fprintf(w, "  %s: %s: %s%s\n    hint: %s\n", f.Severity, f.Object, place, f.Message, f.Hint)
	}
	if len(c.Host) == 0 {
		fmt.Fprintln(w, "  nothing found that would keep traffic away")
	}
}
