package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/daemon"
	"github.com/stentor-net/stentor/core/doctor"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// checked is what check found, in its JSON form.
type checked struct {
	Config   []config.Finding `json:"config"`
	Backends []candidate      `json:"backends"` // network backends, the best fit first
	BGP      *candidate       `json:"bgp"`      // the BGP backend; null with --offline
	Host     []doctor.Finding `json:"host"`
}

// candidate is a backend's opinion of this host.
type candidate struct {
	Name    string            `json:"name"`
	Chosen  bool              `json:"chosen"`
	Score   int               `json:"score"`
	Why     string            `json:"why"`
	Signals map[string]string `json:"signals"`
	looked  []plugins.Signal  // Signals, in the backend's order
}

func (a *app) check() *cobra.Command {
	var offline bool
	c := a.jsonFlag(&cobra.Command{
		Use:   "check",
		Short: "Check the config, and this host for traps",
		Long: `Check the config, then this host: which network backend fits and why, routes to
the peers, other people's files that have a shared IP, and settings that would
keep traffic away. Changes nothing.

Exit code 0: all is well; 2: the config has mistakes; 4: the host has problems.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runCheck(cmd.Context(), offline) },
	})
	c.Flags().BoolVar(&offline, "offline", false, "the config alone, as on another machine: no host, no password files")
	return c
}

func (a *app) runCheck(ctx context.Context, offline bool) error {
	reg := a.registry(a.quiet())
	defer reg.Close()
	cfg, warnings, err := config.Load(a.config, daemon.LoadOptions(reg, offline))
	out := checked{Config: append([]config.Finding{}, warnings...), Backends: []candidate{}, Host: []doctor.Finding{}}
	var invalid *config.Invalid
	if errors.As(err, &invalid) && a.json {
		out.Config = invalid.Findings
		if err := control.Encode(a.out, out); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if !offline {
		if err := a.checkHost(ctx, cfg, reg, &out); err != nil {
			return daemon.Locate(cfg, err)
		}
	}
	if a.json {
		err = control.Encode(a.out, out)
	} else {
		writeChecked(a.out, cfg, out)
	}
	if err == nil && !out.healthy() {
		return errNo
	}
	return err
}

func (a *app) checkHost(ctx context.Context, cfg *config.Config, reg *registry.Registry, out *checked) error {
	for _, c := range reg.Candidates(ctx, cfg.Backends) {
		out.Backends = append(out.Backends, opinion(c.Name, c.Detection, c.Err))
	}
	in, err := doctor.Host(cfg)
	if err != nil {
		return err
	}
	chosen, _, err := reg.OpenNet(ctx, cfg.Network.Backend, cfg.Backends)
	switch {
	case errors.Is(err, plugins.ErrUnsupported) && cfg.Network.Backend == registry.Auto:
		// The rest of the host is worth a look all the same.
		in.Stack = []plugins.Finding{unfit(out.Backends)}
	case err != nil:
		return err
	default:
		for i := range out.Backends {
			out.Backends[i].Chosen = out.Backends[i].Name == chosen.Info().Name
		}
		if i, ok := chosen.(plugins.Inspector); ok {
			if in.Stack, err = i.Inspect(ctx, daemon.HostVIPs(cfg)); err != nil {
				return err
			}
		}
	}
	speaker, err := reg.OpenBGP(ctx, cfg.BGP.Backend, cfg.Backends)
	if err != nil {
		return err
	}
	detection, err := speaker.Detect(ctx)
	bgp := opinion(cfg.BGP.Backend, detection, err)
	for _, p := range reg.Processes(plugins.KindBGP, cfg.BGP.Backend) {
		bgp.look(plugins.Signal{Name: "process", Value: isolation(p)})
	}
	bgp.Chosen, out.BGP = true, &bgp
	if err != nil || detection.Score == 0 {
		in.Stack = append(in.Stack, plugins.Finding{Severity: plugins.SeverityProblem, Object: "bgp", Message: bgp.Name + ": " + bgp.Why,
			Hint: "until then nothing is announced; the embedded gobgp needs nothing on the host"})
	}
	out.Host = append(out.Host, doctor.Check(in)...)
	return nil
}

func opinion(name string, d plugins.Detection, err error) candidate {
	c := candidate{Name: name, Score: d.Score, Why: d.Why, Signals: map[string]string{}, looked: d.Signals}
	if err != nil {
		c.Why = err.Error()
	}
	for _, s := range d.Signals {
		c.Signals[s.Name] = s.Value
	}
	return c
}

func (c *candidate) look(s plugins.Signal) {
	c.looked = append(c.looked, s)
	c.Signals[s.Name] = s.Value
}

// isolation says where a backend runs, and with what rights.
func isolation(b status.Backend) string {
	if !b.Isolated {
		return "the daemon's own"
	}
	text := "of its own"
	if b.User != "" {
		text += ", as user " + b.User
	}
	if b.Powerless {
		text += ", no capabilities"
	}
	if b.UserWhy != "" {
		text += " (" + b.UserWhy + ")"
	}
	return text
}

// unfit is the finding that nobody can tell which backend to use.
func unfit(backends []candidate) plugins.Finding {
	f := plugins.Finding{Severity: plugins.SeverityProblem, Object: "network", Message: "no network backend fits this host",
		Hint: `name one in the config: [network] backend = "iproute" (plain netlink: addresses last until the reboot, and "stentor run" puts them back)`}
	var best []string
	for _, b := range backends {
		if b.Score > 0 && b.Score == backends[0].Score {
			best = append(best, b.Name)
		}
	}
	if len(best) > 1 {
		f.Message = "several network backends fit this host equally well: " + strings.Join(best, ", ")
		f.Hint = fmt.Sprintf("name the one that owns the uplink: [network] backend = %q", best[0])
	} else if len(backends) > 0 && backends[0].Why != "" {
		f.Message += ": " + backends[0].Why
	}
	return f
}

// healthy: nothing that was found keeps an address from working.
func (c checked) healthy() bool {
	return !slices.ContainsFunc(c.Host, func(f doctor.Finding) bool { return f.Severity == doctor.Problem })
}

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
