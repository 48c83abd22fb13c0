package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/confirm"
	"github.com/stentor-net/stentor/core/daemon"
)

func (a *app) run() *cobra.Command {
	var level slog.Level
	var logJSON bool
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Long: `Run the daemon in the foreground; it logs to stderr. Under
systemd the journal gets a field for each attribute: journalctl STENTOR_VIP=web.

SIGHUP reloads the config. SIGTERM and SIGINT withdraw every route, wait until
the peers were told, and end; a second one ends at once. When systemd restarts
the daemon, on_restart = "keep" leaves the routes with the peers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			collectLater()
			ctx, hurry, reloads, stop := signals(cmd.Context())
			defer stop()
			log := a.daemonLogger(level, logJSON)
			return daemon.Run(ctx, daemon.Options{
				Config: a.config, Socket: a.socket, StateDir: a.stateDir, Version: version(),
				Registry: a.registry(log), Log: log, Guard: confirm.Store{Dir: a.stateDir}.StartGuard,
			}, hurry, reloads)
		},
	}
	c.Flags().TextVar(&level, "log-level", slog.LevelInfo, "`LEVEL`: debug, info, warn or error")
	c.Flags().BoolVar(&logJSON, "log-json", false, "log as JSON lines")
	return c
}

// collectLater has no garbage collected while the daemon starts: the routes
// would wait for it. There is little by then, and what there is goes soon.
func collectLater() {
	const while, started = 4, time.Second // times as much as otherwise
	usual := debug.SetGCPercent(100)
	debug.SetGCPercent(while * usual)
	time.AfterFunc(started, func() { debug.SetGCPercent(usual) })
}

// signals turns the first SIGTERM or SIGINT into the end of ctx, the second
// into the end of hurry, and hands over each SIGHUP.
func signals(parent context.Context) (ctx context.Context, hurry <-chan struct{}, reloads <-chan os.Signal, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	ends, hups, second := make(chan os.Signal, 2), make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(hups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		count := 0
		for {
			select {
			case s := <-ends:
				if count++; count == 1 {
					cancel(fmt.Errorf("signal %v", s))
				} else if count == 2 {
					close(second)
				}
			case <-done:
				return
			}
		}
	}()
	return ctx, second, hups, func() {
		signal.Stop(ends)
		signal.Stop(hups)
		close(done)
		cancel(nil)
	}
}
