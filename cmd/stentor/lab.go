package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/core/daemon"
)

// lab are the verbs that play with hosts and route servers on this machine.
func (a *app) lab() *cobra.Command {
	c := &cobra.Command{
		Use:   "lab",
		Short: "Try it out: two hosts, route servers and a client on this machine",
		Long: `Two hosts, four route servers, a router and a client in network namespaces of
this machine. Nothing of it touches the machine's own network.`,
	}
	c.AddCommand(a.labDemo(), a.labUp(), a.labTest(), a.labDown())
	return c
}

func (a *app) labDemo() *cobra.Command {
	var o lab.DemoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show a failover and the way back, with figures",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Binary, err = os.Executable(); err != nil {
				return err
			}
			o.Err = a.talk
			return said(lab.Demo(cmd.Context(), a.out, o))
		},
	}
	routeServers(c, &o.RouteServers)
	c.Flags().BoolVar(&o.Cut, "cut", false, "also cut a host off silently, and wait for the hold timer")
	return c
}

func (a *app) labUp() *cobra.Command {
	var o lab.UpOptions
	c := &cobra.Command{
		Use:   "up",
		Short: "Leave the lab standing, and tell how to look around",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Binary, err = os.Executable(); err != nil {
				return err
			}
			return said(lab.Up(cmd.Context(), a.out, o))
		},
	}
	routeServers(c, &o.RouteServers)
	return c
}

func (a *app) labTest() *cobra.Command {
	var o lab.TrialOptions
	c := &cobra.Command{
		Use:   "test FILE.toml",
		Short: "Run a config of yours on two hosts, and fail over",
		Long: `Run the config on host a as primary and on host b as secondary, against route
servers at the addresses of its peers, and walk through a failover.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := daemon.Load(args[0], a.registry(a.quiet()), true, a.quiet())
			if err != nil {
				return err
			}
			if o.Config, err = os.ReadFile(args[0]); err != nil {
				return err
			}
			if o.Binary, err = os.Executable(); err != nil {
				return err
			}
			o.Peers, o.HostASN, o.Linode, o.Err = cfg.BGP.Peers, cfg.BGP.ASN, cfg.BGP.Provider == "linode", a.talk
			o.VIPs = []netip.Addr{}
			for _, v := range cfg.VIPs {
				o.VIPs = append(o.VIPs, v.Addr)
			}
			return said(lab.Trial(cmd.Context(), a.out, o))
		},
	}
	routeServers(c, &o.RouteServers)
	c.Flags().BoolVar(&o.Cut, "cut", false, "also cut a host off silently, and wait for the hold timer")
	return c
}

func (a *app) labDown() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove a lab that was left standing",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return lab.Down(cmd.Context(), a.out) },
	}
}

func routeServers(c *cobra.Command, kind *lab.Kind) {
	c.Flags().Var(kindValue{kind}, "route-servers", "`KIND`: embedded, frr or bird")
}

// kindValue lets a flag hold a lab.Kind.
type kindValue struct{ kind *lab.Kind }

func (v kindValue) String() string {
	if v.kind == nil || *v.kind == "" {
		return string(lab.Embedded)
	}
	return string(*v.kind)
}

func (v kindValue) Type() string { return "kind" }

func (v kindValue) Set(s string) error {
	switch k := lab.Kind(s); k {
	case lab.Embedded, lab.FRR, lab.BIRD:
		*v.kind = k
		return nil
	}
	return fmt.Errorf("want %s, %s or %s", lab.Embedded, lab.FRR, lab.BIRD)
}

// said drops the message of a lab that ended in another process, which has
// said it already.
func said(err error) error {
	var exited *lab.Exited
	if errors.As(err, &exited) {
		return errSaid
	}
	return err
}
