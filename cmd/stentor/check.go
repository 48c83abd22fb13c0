package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/daemon"
	"github.com/stentor-net/stentor/core/doctor"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/core/survey"
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
	var offline, noMetadata bool
	c := a.jsonFlag(&cobra.Command{
		Use:   "check",
		Short: "Check the config, and this host for traps",
		Long: `Check the config, then this host: which network backend fits and why, routes to
the peers, other people's files that have a shared IP, and settings that would
keep traffic away. Changes nothing. On a machine of Linode or Vultr it asks the
cloud's metadata service; nothing else is sent.

Exit code 0: all is well; 2: the config has mistakes; 4: the host has problems.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			metadata := survey.LinkLocalMetadata()
			if noMetadata {
				metadata = nil
			}
			return a.runCheck(cmd.Context(), offline, metadata)
		},
	})
	c.Flags().BoolVar(&offline, "offline", false, "the config alone, as on another machine: no host, no password files")
	c.Flags().BoolVar(&noMetadata, "no-metadata", false, "don't ask the cloud's metadata service")
	return c
}

func (a *app) runCheck(ctx context.Context, offline bool, metadata *survey.Metadata) error {
	dir, done, err := a.lentStateDir()
	if err != nil {
		return err
	}
	defer done()
	reg := a.registryFor(a.quiet(), registry.Options{StateDir: dir})
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
		if err := a.checkHost(ctx, cfg, reg, metadata, &out); err != nil {
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

// lentStateDir is the daemon's folder if this process may write there: backends
// remember in it what was adopted. Otherwise it is one that is gone when done,
// so that a check leaves nothing behind, and anybody can ask for one.
func (a *app) lentStateDir() (dir string, done func(), err error) {
	if unix.Access(a.stateDir, unix.W_OK) == nil {
		return a.stateDir, func() {}, nil
	}
	dir, err = os.MkdirTemp("", "stentor-check-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

// metadataTime is how long a check waits for the cloud. The service is on the
// machine's own host, and answers within milliseconds where there is one.
const metadataTime = 500 * time.Millisecond

func (a *app) checkHost(ctx context.Context, cfg *config.Config, reg *registry.Registry, metadata *survey.Metadata, out *checked) error {
	cloud := make(chan survey.Facts, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, metadataTime)
		defer cancel()
		cloud <- survey.Cloud(ctx, os.DirFS("/"), metadata)
	}()
	for _, c := range reg.Candidates(ctx, cfg.Backends) {
		out.Backends = append(out.Backends, opinion(c.Name, c.Detection, c.Err))
	}
	in, err := doctor.Host(ctx, cfg)
	if err != nil {
		return err
	}
	if in.Stack, err = checkNetwork(ctx, cfg, reg, out.Backends); err != nil {
		return err
	}
	bgp, traps, err := checkSpeaker(ctx, cfg, reg, in.View)
	if err != nil {
		return err
	}
	out.BGP = &bgp
	in.Stack = append(in.Stack, traps...)
	for _, p := range reg.Processes(plugins.KindBGP, cfg.BGP.Backend) {
		bgp.look(plugins.Signal{Name: "process", Value: isolation(p)})
		in.Confined = in.Confined || p.Powerless
	}
	in.Cloud = <-cloud
	out.Host = append(out.Host, doctor.Check(in)...)
	return nil
}

// checkNetwork marks the network backend that is chosen, and has it look for traps.
func checkNetwork(ctx context.Context, cfg *config.Config, reg *registry.Registry, all []candidate) ([]plugins.Finding, error) {
	chosen, _, err := reg.OpenNet(ctx, cfg.Network.Backend, cfg.Backends)
	if errors.Is(err, plugins.ErrUnsupported) && cfg.Network.Backend == registry.Auto {
		// The rest of the host is worth a look all the same.
		return []plugins.Finding{unfit(all)}, nil
	} else if err != nil {
		return nil, err
	}
	name := chosen.Info().Name
	for i := range all {
		all[i].Chosen = all[i].Name == name
	}
	traps := sandbox(cfg, name)
	if i, ok := chosen.(plugins.Inspector); ok {
		found, err := i.Inspect(ctx, daemon.HostVIPs(cfg))
		if err != nil {
			return nil, err
		}
		traps = append(traps, found...)
	}
	return traps, nil
}

// checkSpeaker asks the BGP backend whether it fits, and for traps.
func checkSpeaker(ctx context.Context, cfg *config.Config, reg *registry.Registry, view host.View) (candidate, []plugins.Finding, error) {
	speaker, err := reg.OpenBGP(ctx, cfg.BGP.Backend, cfg.Backends)
	if err != nil {
		return candidate{}, nil, err
	}
	detection, err := speaker.Detect(ctx)
	var traps []plugins.Finding
	if i, ok := speaker.(plugins.SpeakerInspector); ok && err == nil && detection.Score > 0 {
		id := cmp.Or(cfg.BGP.RouterID, daemon.RouterID(view, cfg))
		traps, err = i.InspectSpeaker(ctx, plugins.Speaker{ASN: cfg.BGP.ASN, RouterID: id, Peers: cfg.BGP.Peers})
	}
	bgp := opinion(cfg.BGP.Backend, detection, err)
	bgp.Chosen = true
	if err != nil || detection.Score == 0 {
		traps = append(traps, plugins.Finding{Code: doctor.CodeBGP, Severity: plugins.SeverityProblem, Object: "bgp", Message: bgp.Name + ": " + bgp.Why,
			Hint: "until then nothing is announced; the embedded gobgp needs nothing on the host"})
	}
	return bgp, traps, nil
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
	f := plugins.Finding{Code: doctor.CodeNetwork, Severity: plugins.SeverityProblem, Object: "network", Message: "no network backend fits this host",
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

// sandbox: a drop-in that "stentor setup" wrote for an older config.
func sandbox(cfg *config.Config, network string) []plugins.Finding {
	text, err := os.ReadFile(dropIn)
	if err != nil || !strings.HasPrefix(string(text), setupMark) || string(text) == unitDropIn(cfg, network, groupsOf("/")) {
		return nil
	}
	return []plugins.Finding{{
		Code: doctor.CodeUnitSandbox, Severity: plugins.SeverityWarning, Object: "stentor.service", Path: dropIn,
		Message: "it was written for another config: the daemon may not be able to write its files, or to reach its speaker",
		Hint:    "stentor setup, then: systemctl daemon-reload && systemctl restart stentor",
	}}
}

// healthy: nothing that was found keeps an address from working.
func (c checked) healthy() bool {
	return !slices.ContainsFunc(c.Host, func(f doctor.Finding) bool { return f.Severity == doctor.Problem })
}
