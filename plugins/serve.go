package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/stentor-net/stentor/plugins/internal/wire"
)

// ServeNet is the main function of a plugin: it serves the network backend that
// make gives, until Stentor ends it. What is written to log stands in Stentor's
// log, with level and attributes.
//
// Run by a person, the program says what it is; with the argument --manifest it
// writes the manifest that stands beside it in the plugin folder.
func ServeNet(make func(log *slog.Logger) NetBackend) {
	log := slog.New(wire.LogHandler(os.Stderr))
	b := make(log)
	serve(b, log, func(s *grpc.Server) { RegisterNet(s, b) })
}

// ServeBGP is ServeNet for a BGP backend.
func ServeBGP(make func(log *slog.Logger) BGPBackend) {
	log := slog.New(wire.LogHandler(os.Stderr))
	b := make(log)
	serve(b, log, func(s *grpc.Server) { RegisterBGP(s, b) })
}

func serve(b Backend, log *slog.Logger, register func(*grpc.Server)) {
	handshake := wire.Handshake()
	if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
		os.Exit(byHand(b.Info(), os.Args, os.Stdout, os.Stderr))
	}
	ignoreStops()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: handshake,
		VersionedPlugins: map[int]plugin.PluginSet{
			APIVersion: {wire.Service: registration{register: register}},
		},
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server { return newServer(log, o...) },
		Logger:     hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
	})
}

func newServer(log *slog.Logger, o ...grpc.ServerOption) *grpc.Server {
	g := guard{log: log, grace: overrunGrace, exit: os.Exit}
	return grpc.NewServer(append(o,
		grpc.MaxRecvMsgSize(wire.MaxMessage),
		grpc.StaticStreamWindowSize(wire.Window), grpc.StaticConnWindowSize(wire.Window),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: wire.MinPing, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(g.unary), grpc.StreamInterceptor(g.stream))...)
}

// ignoreStops leaves the signals that stop Stentor to Stentor. A service manager
// sends them to all processes at once, and a terminal too; core needs the plugin
// for an orderly goodbye, and ends it afterwards. A handler, unlike SIG_IGN, is
// not inherited by what a plugin runs.
func ignoreStops() {
	stops := make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
}

// registration is how go-plugin wants to be told what to serve.
type registration struct {
	plugin.NetRPCUnsupportedPlugin
	register func(*grpc.Server)
}

func (r registration) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	r.register(s)
	return nil
}

func (registration) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("a plugin has no client side: %w", ErrUnsupported)
}

// Manifest is the file NAME.json beside the plugin NAME: what core knows of a
// plugin without running it.
type Manifest struct {
	Name    string `json:"name"` // as in backend = "NAME", and the file's own name
	Kind    Kind   `json:"kind"` // "network" or "bgp"
	Version string `json:"version"`
	API     int    `json:"api"` // the APIVersion that it speaks
	Caps    []Cap  `json:"caps"`
	// User is the account that the plugin runs under, with no capabilities; empty:
	// the daemon's own. A daemon that is not root can't change it.
	User string `json:"user,omitempty"`
}

// Info is what the manifest says of the backend.
func (m Manifest) Info() Info {
	return Info{Name: m.Name, Version: m.Version, API: m.API, Kind: m.Kind, Caps: m.Caps}
}

// byHand answers a person who runs a plugin, and gives the exit code.
func byHand(i Info, args []string, stdout, stderr io.Writer) int {
	if len(args) == 2 && args[1] == "--manifest" {
		m := Manifest{Name: i.Name, Kind: i.Kind, Version: i.Version, API: i.API, Caps: append([]Cap{}, i.Caps...)}
		text, err := json.MarshalIndent(m, "", "  ")
		if err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		if _, err := fmt.Fprintf(stdout, "%s\n", text); err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	}
	program, err := os.Executable() // how it was called is no path, if a shell found it
	if err != nil {
		program = args[0]
	}
	section := "network"
	if i.Kind == KindBGP {
		section = "bgp"
	}
	fmt.Fprintf(stderr, `%[1]s %[2]s is a %[3]s backend for Stentor (API %[4]d). Stentor starts it by itself:
put it with its manifest into a plugin folder,

    install -D -m 0755 %[5]s /usr/local/libexec/stentor/plugins/%[1]s
    %[5]s --manifest > /usr/local/libexec/stentor/plugins/%[1]s.json

and name it in /etc/stentor/stentor.toml:

    [%[6]s]
    backend = "%[1]s"
`, i.Name, i.Version, i.Kind, i.API, program, section)
	return 2
}
