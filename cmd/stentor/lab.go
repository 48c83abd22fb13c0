package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

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
	o := lab.DemoOptions{Err: a.talk}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show a failover and the way back, with figures",
		Args:  cobra.NoArgs,
		RunE: withBinary(&o.Binary, func(cmd *cobra.Command, _ []string) error {
			return said(lab.Demo(cmd.Context(), a.out, o))
		}),
	}
	routeServers(c, &o.RouteServers)
	c.Flags().Var((*backendsValue)(&o.Backends), "backend", "the hosts' `BACKEND`: gobgp, native, frr or bird; \"frr,bird\" for a and b")
	c.Flags().BoolVar(&o.Cut, "cut", false, "also cut a host off silently, and wait for the hold timer")
	return c
}

func (a *app) labUp() *cobra.Command {
	var o lab.UpOptions
	c := &cobra.Command{
		Use:   "up",
		Short: "Leave the lab standing, and tell how to look around",
		Args:  cobra.NoArgs,
		RunE: withBinary(&o.Binary, func(cmd *cobra.Command, _ []string) error {
			return said(lab.Up(cmd.Context(), a.out, o))
		}),
	}
	routeServers(c, &o.RouteServers)
	return c
}

func (a *app) labTest() *cobra.Command {
	o := lab.TrialOptions{Err: a.talk}
	c := &cobra.Command{
		Use:   "test FILE.toml",
		Short: "Run a config of yours on two hosts, and fail over",
		Long: `Run the config on host a as primary and on host b as secondary, against route
servers at the addresses of its peers, and walk through a failover.`,
		Args: cobra.ExactArgs(1),
		RunE: withBinary(&o.Binary, func(cmd *cobra.Command, args []string) error {
			cfg, err := daemon.Load(args[0], a.registry(a.quiet()), true, a.quiet())
			if err != nil {
				return err
			}
			if o.Config, err = os.ReadFile(args[0]); err != nil {
				return err
			}
			o.Peers, o.HostASN, o.Linode = cfg.BGP.Peers, cfg.BGP.ASN, cfg.BGP.Provider == "linode"
			for _, v := range cfg.VIPs {
				o.VIPs = append(o.VIPs, v.Addr)
			}
			return said(lab.Trial(cmd.Context(), a.out, o))
		}),
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

// withBinary sets binary to this program before it runs f: it is what the
// lab's hosts run too.
func withBinary(binary *string, f func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		if *binary, err = os.Executable(); err != nil {
			return err
		}
		return f(cmd, args)
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

// backendsValue lets a flag hold the speakers of the hosts a and b.
type backendsValue [2]lab.Kind

func (v *backendsValue) String() string {
	if v == nil || v[0] == "" {
		return string(lab.GoBGP)
	}
	if v[0] == v[1] {
		return string(v[0])
	}
	return string(v[0]) + "," + string(v[1])
}

func (v *backendsValue) Type() string { return "backend" }

func (v *backendsValue) Set(s string) error {
	a, b, two := strings.Cut(s, ",")
	if !two {
		b = a
	}
	for i, name := range []string{a, b} {
		switch k := lab.Kind(name); k {
		case lab.GoBGP, lab.Native, lab.FRR, lab.BIRD:
			v[i] = k
		default:
			return fmt.Errorf("want %s, %s, %s or %s, or two of them", lab.GoBGP, lab.Native, lab.FRR, lab.BIRD)
		}
	}
	return nil
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
