package main

import (
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/journal"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/netbackends"
)

// Where a daemon is found, unless the environment says otherwise.
const (
	defaultSocket   = "/run/stentor/stentor.sock"
	defaultStateDir = "/var/lib/stentor"
)

// app is what the verbs share: where to write, and the global flags.
type app struct {
	out  io.Writer // the answer
	talk io.Writer // everything else

	config, socket, stateDir string
	json                     bool
	started                  bool // the command line was understood
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "stentor",
		Short: "Shared IPs on Linux hosts, announced over BGP",
		Long: `Stentor puts shared IPs on this host and announces them over BGP, so that
traffic follows the healthy host. Without a verb it shows the status.`,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRun: func(*cobra.Command, []string) { a.started = true },
	}
	root.SetUsageTemplate(strings.NewReplacer(
		".FlagUsages ", ".FlagUsagesWrapped 80 ",
		"Usage:{{if .Runnable}}", "Usage:{{if and .Runnable (not .HasAvailableSubCommands)}}",
		`(or .IsAvailableCommand (eq .Name "help"))`, ".IsAvailableCommand",
	).Replace(root.UsageTemplate()))
	f := root.PersistentFlags()
	f.StringVar(&a.config, "config", env("STENTOR_CONFIG", "/etc/stentor/stentor.toml"), "config `FILE`; conf.d lies beside it ($STENTOR_CONFIG)")
	f.StringVar(&a.socket, "socket", env("STENTOR_SOCKET", defaultSocket), "control socket's `PATH` ($STENTOR_SOCKET)")
	f.StringVar(&a.stateDir, "state-dir", env("STENTOR_STATE_DIR", defaultStateDir), "`DIR` for what survives restarts ($STENTOR_STATE_DIR)")
	status := a.status()
	root.Args, root.RunE = cobra.NoArgs, status.RunE
	root.Flags().AddFlagSet(status.Flags())
	root.AddCommand(status, a.run(), a.check(), a.diff(), a.apply(), a.confirm(), a.watch(), a.history(), a.probe(), a.drain(), a.undrain(), a.failback(), a.reload(), a.restart(), a.version(), a.imports(), a.init(), a.setup(), a.lab(), a.plugins(), a.completion(), a.pluginServe(), a.guard())
	completeFlags(root)
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		// The last line of --help says as much as the line of help would.
		c.Hidden = c.Hidden || c.Name() == "help"
		if c.HasSubCommands() { // alone it is help; cobra takes any other word for that too
			c.Args = cobra.NoArgs
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}

// jsonFlag gives a reading verb its --json.
func (a *app) jsonFlag(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&a.json, "json", false, "print JSON: stable, for programs")
	return c
}

// registry are the built-in backends, for this host.
func (a *app) registry(log *slog.Logger) *registry.Registry {
	return a.registryFor(log, registry.Options{StateDir: a.stateDir})
}

func (a *app) registryFor(log *slog.Logger, o registry.Options) *registry.Registry {
	o.Serve = []string{serveVerb}
	o.Plugins.Log = log
	return registry.New(netbackends.Builtin(log), bgpbackends.Builtin(log), o)
}

func (a *app) client() *control.Client { return control.NewClient(a.socket) }

// logger writes for people, or for programs if asked.
func (a *app) logger(level slog.Level, asJSON bool) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if asJSON {
		return slog.New(slog.NewJSONHandler(a.talk, o))
	}
	return slog.New(slog.NewTextHandler(a.talk, o))
}

// daemonLogger writes to the journal in its own form where stderr leads there.
func (a *app) daemonLogger(level slog.Level, asJSON bool) *slog.Logger {
	log := a.logger(level, asJSON)
	if !asJSON && a.talk == os.Stderr && journal.There() {
		return slog.New(journal.New(level, log.Handler()))
	}
	return log
}

// quiet is the logger of verbs that have only their answer to give.
func (a *app) quiet() *slog.Logger { return a.logger(slog.LevelWarn, false) }

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}
