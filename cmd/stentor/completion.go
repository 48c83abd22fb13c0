package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/core/status"
)

// completionTime is how long somebody who presses Tab waits for the daemon.
const completionTime = 250 * time.Millisecond

func (a *app) completion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print what makes a shell complete verbs, flags and names",
		Long: `Print a script that has a shell complete verbs, flags, and the names of VIPs,
peers and backends, as the running daemon or else the config has them. Packages
bring these scripts.`,
		Example: `  source <(stentor completion bash)
  stentor completion zsh >"${fpath[1]}/_stentor"
  stentor completion fish >~/.config/fish/completions/stentor.fish`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.out, true)
			case "zsh":
				return root.GenZshCompletion(a.out)
			default:
				return root.GenFishCompletion(a.out, true)
			}
		},
	}
}

// completeFlags says what the flags that take files and words complete to.
func completeFlags(c *cobra.Command) {
	files := map[string][]string{"config": {"toml"}, "settings": {"toml"}, "plot": {"svg"}, "socket": {}, "pins": {}}
	for name, ends := range files {
		if f := c.Flag(name); f != nil {
			f.Annotations = map[string][]string{cobra.BashCompFilenameExt: ends}
		}
	}
	for _, name := range []string{"state-dir", "dir", "root", "folder", "keys", "sdk"} {
		if f := c.Flag(name); f != nil {
			f.Annotations = map[string][]string{cobra.BashCompSubdirsInDir: {}}
		}
	}
	for name, words := range map[string][]cobra.Completion{
		"role": {"primary", "secondary"}, "kind": {"net", "bgp"}, "log-level": {"debug", "info", "warn", "error"},
		"backend": {"gobgp", "native", "frr", "bird"}, "route-servers": {"embedded", "frr", "bird"},
	} {
		if f := c.Flags().Lookup(name); f != nil {
			_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // the flag is there, and has none
		}
	}
	if takesNothing(c) && c.ValidArgsFunction == nil {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, sub := range c.Commands() {
		completeFlags(sub)
	}
}

// takesNothing: shells would offer files for what a verb refuses.
func takesNothing(c *cobra.Command) bool {
	return c.Args != nil && c.Args(c, []string{"x"}) != nil && len(c.ValidArgs) == 0
}

// full tells whether a verb takes no more words.
func full(cmd *cobra.Command, args []string) bool {
	return cmd.Args != nil && cmd.Args(cmd, append(slices.Clone(args), "one more")) != nil
}

// known is what can be completed.
type known struct {
	vips      []string
	addresses []string // of the VIPs
	peers     []string
	checks    []string
	backends  []string
}

// known asks the running daemon, and else reads the config. Who presses Tab is
// told nothing when neither answers.
func (a *app) known(ctx context.Context) known {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	raw, err := a.client().Status(ctx)
	var s status.Status
	if err != nil || json.Unmarshal(raw, &s) != nil {
		return a.configured()
	}
	var k known
	for _, v := range s.VIPs {
		k.vips = append(k.vips, v.Name)
		address, _, _ := strings.Cut(v.Address, "/")
		k.addresses = append(k.addresses, address)
	}
	for _, p := range s.Peers {
		k.peers = append(k.peers, p.Name)
	}
	for _, c := range s.Checks {
		k.checks = append(k.checks, c.Name)
	}
	for _, b := range s.Backends {
		k.backends = append(k.backends, b.Name)
	}
	return k
}

func (a *app) configured() known {
	var k known
	cfg, _, err := config.Load(a.config, config.Options{Offline: true})
	if err != nil {
		return k
	}
	for _, v := range cfg.VIPs {
		k.vips, k.addresses = append(k.vips, v.Name), append(k.addresses, v.Addr.String())
	}
	for _, p := range cfg.BGP.Peers {
		k.peers = append(k.peers, p.Name)
	}
	for _, c := range cfg.Checks {
		k.checks = append(k.checks, c.Name)
	}
	for _, b := range []string{cfg.Network.Backend, cfg.BGP.Backend} {
		if b != registry.Auto {
			k.backends = append(k.backends, b)
		}
	}
	return k
}

// completeVIPs gives names, but for those that stand there already.
func (a *app) completeVIPs(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if full(cmd, args) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := slices.DeleteFunc(a.known(cmd.Context()).vips, func(n string) bool { return slices.Contains(args, n) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeObjects gives VIPs and kinds of objects, then the names of a kind.
func (a *app) completeObjects(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	switch k := a.known(cmd.Context()); {
	case full(cmd, args):
	case len(args) == 0:
		names = slices.Concat(k.vips, namedKinds, singleKinds)
	case args[0] == "vip":
		names = k.vips
	case args[0] == "peer":
		names = k.peers
	case args[0] == "check":
		names = k.checks
	case args[0] == "backend":
		names = k.backends
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeAddresses gives those of the VIPs.
func (a *app) completeAddresses(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if full(cmd, args) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.known(cmd.Context()).addresses, cobra.ShellCompDirectiveNoFileComp
}

// completeBackends gives the backends that there are, or files where a path begins.
func (f *pluginFlags) completeBackends(builtin bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if full(cmd, args) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if strings.ContainsAny(begun, "./~") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		if f.complete() != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		var names []cobra.Completion
		for _, l := range list(f.options()) {
			if builtin || !l.Builtin {
				names = append(names, cobra.CompletionWithDesc(l.Name, strings.TrimSpace(l.Version+" "+string(l.Kind))))
			}
		}
		return names, cobra.ShellCompDirectiveDefault
	}
}
