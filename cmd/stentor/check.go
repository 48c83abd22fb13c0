package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/daemon"
	"github.com/stentor-net/stentor/core/doctor"
	"github.com/stentor-net/stentor/core/registry"
)

// checked is what check found, in its JSON form.
type checked struct {
	Config   []config.Finding `json:"config"`
	Backends []candidate      `json:"backends"` // network backends, the best fit first
	Host     []doctor.Finding `json:"host"`
}

// candidate is a network backend's opinion of this host.
type candidate struct {
	Name    string            `json:"name"`
	Chosen  bool              `json:"chosen"`
	Score   int               `json:"score"`
	Why     string            `json:"why"`
	Signals map[string]string `json:"signals"`
}

func (a *app) check() *cobra.Command {
	var offline bool
	c := a.jsonFlag(&cobra.Command{
		Use:   "check",
		Short: "Check the config, and this host for traps",
		Long: `Check the config, then this host: which network backend fits and why, routes to
the peers, and settings that would keep traffic away. Changes nothing.

Exit code 0: all is well; 2: the config has mistakes; 4: the host has problems.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runCheck(cmd.Context(), offline) },
	})
	c.Flags().BoolVar(&offline, "offline", false, "the config alone, as on another machine: no host, no password files")
	return c
}

func (a *app) runCheck(ctx context.Context, offline bool) error {
	reg := a.registry(a.quiet())
	cfg, warnings, err := config.Load(a.config, config.Options{Info: reg.Info, Names: reg.Names, Offline: offline})
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
		one := candidate{Name: c.Name, Score: c.Score, Why: c.Why, Signals: map[string]string{}}
		if c.Err != nil {
			one.Why = c.Err.Error()
		}
		for _, s := range c.Signals {
			one.Signals[s.Name] = s.Value
		}
		out.Backends = append(out.Backends, one)
	}
	chosen, _, err := reg.OpenNet(ctx, cfg.Network.Backend, cfg.Backends)
	if err != nil {
		return err
	}
	for i := range out.Backends {
		out.Backends[i].Chosen = out.Backends[i].Name == chosen.Info().Name
	}
	in, err := doctor.Host(cfg)
	if err != nil {
		return err
	}
	out.Host = append(out.Host, doctor.Check(in)...)
	return nil
}

// healthy: nothing that was found keeps an address from working.
func (c checked) healthy() bool {
	return !slices.ContainsFunc(c.Host, func(f doctor.Finding) bool { return f.Severity == doctor.Problem })
}

func writeChecked(w io.Writer, cfg *config.Config, c checked) {
	for _, f := range c.Config {
		fmt.Fprintln(w, f)
	}
	fmt.Fprintf(w, "config: %d VIPs, %d peers, AS%d, by %s\n", len(cfg.VIPs), len(cfg.BGP.Peers), cfg.BGP.ASN, cfg.BGP.Backend)
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
	fmt.Fprintln(w, "\nhost")
	for _, f := range c.Host {
		fmt.Fprintf(w, "  %s: %s: %s\n    hint: %s\n", f.Severity, f.Object, f.Message, f.Hint)
	}
	if len(c.Host) == 0 {
		fmt.Fprintln(w, "  nothing found that would keep traffic away")
	}
}
