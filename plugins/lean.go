package plugins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stentor-net/stentor/plugins/internal/wire"
)

// ServeBGPLean is ServeBGP for a program that is to be small: it speaks the
// protocol of package v1 by itself, and does not pass on what the backend prints.
// go-plugin's server could speak net/rpc too, for which the linker has to keep
// whatever reflection might ask for: half as much program again.
func ServeBGPLean(make func(log *slog.Logger) BGPBackend) {
	log := slog.New(wire.LogHandler(os.Stderr))
	b := make(log)
	handshake := wire.Handshake()
	if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
		fmt.Fprintf(os.Stderr, "this is the BGP backend %[1]s of Stentor, which starts it by itself: [bgp] backend = %[1]q\n", b.Info().Name)
		os.Exit(2)
	}
	ignoreStops()
	if err := serveLean(log, func(s *grpc.Server) { RegisterBGP(s, b) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serveLean serves until it is told to shut down.
func serveLean(log *slog.Logger, register func(*grpc.Server)) error {
	dir := os.Getenv(plugin.EnvUnixSocketDir)
	if dir == "" {
		return errors.New(plugin.EnvUnixSocketDir + " is not set: where shall the socket be?")
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "plugin"))
	if err != nil {
		return err
	}
	s := newServer(log)
	register(s)
	serving := health.NewServer()
	serving.SetServingStatus(plugin.GRPCServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(s, serving)
	s.RegisterService(&controller, s)
	// Core has the protocol's versions from the program's answer alone, and says
	// what does not fit.
	if _, err := fmt.Printf("%d|%d|unix|%s|grpc|\n", plugin.CoreProtocolVersion, APIVersion, listener.Addr()); err != nil {
		return err
	}
	return s.Serve(listener)
}

// controller is go-plugin's service that ends a program. Its messages are empty.
var controller = grpc.ServiceDesc{
	ServiceName: "plugin.GRPCController",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Shutdown",
		Handler: func(s any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			if err := decode(&emptypb.Empty{}); err != nil {
				return nil, err
			}
			go s.(*grpc.Server).GracefulStop() // it waits for this answer
			return &emptypb.Empty{}, nil
		},
	}},
}
