package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/status"
)

func (a *app) status() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use:   "status [VIP]",
		Short: "Show what is announced, to whom, and why (not)",
		Long: `Show a line for each VIP, then the peers, then the problems.

Exit code 0: all is as configured; 4: it is not; 3: no daemon answers.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeVIPs,
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := a.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			var s status.Status
			if err := json.Unmarshal(raw, &s); err != nil {
				return err
			}
			if len(args) == 1 {
				if err := only(&s, args[0]); err != nil {
					return err
				}
			}
			switch {
			case a.json && len(args) == 0:
				_, err = a.out.Write(raw)
			case a.json:
				err = control.Encode(a.out, &s)
			default:
				writeStatus(a.out, &s, time.Now())
			}
			if err == nil && !s.Healthy() {
				return errNo
			}
			return err
		},
	})
}

// only leaves one VIP in s, the peers, and the problems that concern them.
func only(s *status.Status, name string) error {
	for _, v := range s.VIPs {
		if v.Name != name {
			continue
		}
		s.VIPs = []status.VIP{v}
		s.Checks = slices.DeleteFunc(s.Checks, func(c status.Check) bool { return !slices.Contains(v.Checks, c.Name) })
		var mine []status.Problem
		for _, p := range s.Problems {
			if (!strings.HasPrefix(p.Object, "vip ") || p.Object == "vip "+name) && ofVIP(p, v.Checks) {
				mine = append(mine, p)
			}
		}
		s.Problems = append([]status.Problem{}, mine...)
		return nil
	}
	return usage("no VIP is called %q", name)
}

// bfdWords tells of a BFD session, and of a host that is late for a good part
// of the time in which it would take the peer for dead.
func bfdWords(b *status.BFD) string {
	text := "BFD " + b.State
	if b.Why != "" {
		text += ": " + b.Why
	}
	if 4*b.LateMS > b.DetectMS {
		text += fmt.Sprintf(" (this host was late by up to %d ms of %d)", b.LateMS, b.DetectMS)
	}
	return text
}

// writeStatus draws the screen.
func writeStatus(w io.Writer, s *status.Status, now time.Time) {
	var vips, peers [][]string
	for _, v := range s.VIPs {
		vips = append(vips, []string{v.Name, announced(v), v.Role,
			announcedTo(v), "for " + age(v.Since, now)})
	}
	for i, line := range columns(vips) {
		fmt.Fprintln(w, line)
		if why := s.VIPs[i].Why; why != "" {
			fmt.Fprintf(w, "  %s\n", why)
		}
		if text := held(s.VIPs[i], now); text != "" {
			fmt.Fprintf(w, "  %s\n", text)
		}
		if s.VIPs[i].Adopted {
			fmt.Fprintln(w, "  adopted: something else puts it on this host, and it stays when Stentor goes; stentor check tells more")
		}
	}
	if len(s.VIPs) == 0 {
		fmt.Fprintln(w, "no VIP is configured")
	}
	fmt.Fprintf(w, "\npeers of AS%d, router id %s, by %s\n", s.BGP.ASN, s.BGP.RouterID, s.BGP.Backend)
	for _, p := range s.Peers {
		since, told := "", fmt.Sprintf("%d announced", p.Announced)
		if !p.Since.IsZero() {
			since = "for " + age(p.Since, now)
		}
		if p.Received > 0 {
			told += fmt.Sprintf(", %d received and dropped", p.Received)
		}
		if p.BFD != nil {
			told += ", " + bfdWords(p.BFD)
		}
		peers = append(peers, []string{p.Name, p.Address, fmt.Sprintf("AS%d", p.ASN), p.State, since, told})
	}
	for _, line := range columns(peers) {
		fmt.Fprintln(w, "  "+line)
	}
	writeChecks(w, s.Checks, now)
	fmt.Fprintf(w, "\naddresses by %s", s.Network.Backend)
	if s.Network.Why != "" {
		fmt.Fprintf(w, ": %s", s.Network.Why)
	}
	fmt.Fprintln(w)
	writeBackends(w, s.Backends, now)
	if !s.ConfirmBy.IsZero() {
		fmt.Fprintf(w, "\non trial: rolled back at %s unless you run: stentor confirm\n", s.ConfirmBy.Local().Format("15:04:05"))
	}
	if len(s.Problems) > 0 {
		fmt.Fprintln(w, "\nproblems")
	}
	for _, p := range s.Problems {
		fmt.Fprintf(w, "  %s: %s (for %s)\n", p.Object, p.Message, age(p.Since, now))
		if p.Hint != "" {
			fmt.Fprintf(w, "    hint: %s\n", p.Hint)
		}
	}
}

// writeBackends draws the backends with the processes they run in.
func writeBackends(w io.Writer, all []status.Backend, now time.Time) {
	if len(all) == 0 { // an older daemon
		return
	}
	var rows [][]string
	for _, b := range all {
		name := b.Name
		if b.Peer != "" {
			name += " for " + b.Peer
		}
		rows = append(rows, append([]string{name, b.Version, fmt.Sprintf("API %d", b.API)}, process(b, now)...))
	}
	fmt.Fprintln(w, "\nbackends")
	for i, line := range columns(rows) {
		fmt.Fprintln(w, "  "+line)
		if b := all[i]; b.LastEnd != "" {
			how, _, _ := strings.Cut(b.LastEnd, "\n")
			fmt.Fprintf(w, "    restarts: %d; the last after %s (%s ago)\n", b.Restarts, how, age(b.EndedAt, now))
		}
	}
}

// process says where a backend runs, with which rights, and for how long.
func process(b status.Backend, now time.Time) []string {
	text, since := fmt.Sprintf("pid %d", b.PID), b.Since
	switch {
	case !b.Isolated:
		return []string{"in the daemon"}
	case b.PID == 0:
		text, since = "down", b.EndedAt
	}
	if b.User != "" && b.PID != 0 {
		text += " as " + b.User
	}
	if b.Powerless && b.PID != 0 {
		text += ", no capabilities"
	}
	return []string{text, "for " + age(since, now)}
}

// announced is the prefix, and the address in it where they differ.
func announced(v status.VIP) string {
	if v.Announce == v.Address {
		return v.Announce
	}
	addr, _, _ := strings.Cut(v.Address, "/")
	return v.Announce + " (" + addr + ")"
}

// age is how long ago t was, in one or two units.
func age(t, now time.Time) string {
	d := max(now.Sub(t), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}
