package plugins

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	pb "github.com/stentor-net/stentor/plugins/proto/v1"
)

// RegisterNet has s serve b as a plugin does. ServeNet does it for a program;
// on its own it is for tests.
func RegisterNet(s grpc.ServiceRegistrar, b NetBackend) {
	pb.RegisterBackendServiceServer(s, &baseServer{b: b})
	pb.RegisterNetworkBackendServiceServer(s, &netServer{b: b, turn: make(turn, 1)})
}

// RegisterBGP has s serve b as a plugin does. ServeBGP does it for a program;
// on its own it is for tests.
func RegisterBGP(s grpc.ServiceRegistrar, b BGPBackend) {
	pb.RegisterBackendServiceServer(s, &baseServer{b: b})
	pb.RegisterBGPBackendServiceServer(s, &bgpServer{b: b, turn: make(turn, 1)})
}

// baseServer serves what all backends have.
type baseServer struct {
	pb.UnimplementedBackendServiceServer
	b Backend
}

func (s *baseServer) Info(context.Context, *pb.InfoRequest) (*pb.InfoResponse, error) {
	return infoToWire(s.b.Info()), nil
}

func (s *baseServer) Configure(ctx context.Context, r *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	c, err := configFromWire(r)
	if err == nil {
		err = s.b.Configure(ctx, c)
	}
	return &pb.ConfigureResponse{}, status(err)
}

func (s *baseServer) Detect(ctx context.Context, _ *pb.DetectRequest) (*pb.DetectResponse, error) {
	d, err := s.b.Detect(ctx)
	return detectionToWire(d), status(err)
}

func (s *baseServer) Watch(_ *pb.WatchRequest, out grpc.ServerStreamingServer[pb.WatchResponse]) error {
	var one sync.Mutex // a backend may report from several goroutines; Send takes one at a time
	return status(s.b.Watch(out.Context(), func(c Change) {
		one.Lock()
		defer one.Unlock()
		// A stream that broke ends its context, and so Watch.
		_ = out.Send(&pb.WatchResponse{Change: changeToWire(c)})
	}))
}

func (s *baseServer) Close(context.Context, *pb.CloseRequest) (*pb.CloseResponse, error) {
	return &pb.CloseResponse{}, status(s.b.Close())
}

// netServer serves what network backends have besides.
type netServer struct {
	pb.UnimplementedNetworkBackendServiceServer
	b    NetBackend
	turn turn
}

// turn is held by the one of Plan, Apply and Observe that runs. Core makes one
// at a time, but a call that was cut off has ended on core's side before it has
// returned here.
type turn chan struct{}

// do runs f when it is its turn.
func (t turn) do(ctx context.Context, f func() error) error {
	select {
	case t <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t }()
	return f()
}

func (s *netServer) PlanVIPs(ctx context.Context, r *pb.PlanVIPsRequest) (*pb.PlanVIPsResponse, error) {
	want, err := vipsFromWire(r.GetWant())
	if err != nil {
		return nil, status(err)
	}
	var p Plan
	err = s.turn.do(ctx, func() (err error) { p, err = s.b.Plan(ctx, want); return err })
	return &pb.PlanVIPsResponse{Plan: planToWire(p)}, status(err)
}

func (s *netServer) ApplyVIPs(ctx context.Context, r *pb.ApplyVIPsRequest) (*pb.ApplyVIPsResponse, error) {
	want, err := vipsFromWire(r.GetWant())
	if err == nil {
		err = s.turn.do(ctx, func() error { return s.b.Apply(ctx, want) })
	}
	return &pb.ApplyVIPsResponse{}, status(err)
}

func (s *netServer) ObserveVIPs(ctx context.Context, _ *pb.ObserveVIPsRequest) (*pb.ObserveVIPsResponse, error) {
	var seen []VIPState
	err := s.turn.do(ctx, func() (err error) { seen, err = s.b.Observe(ctx); return err })
	return &pb.ObserveVIPsResponse{Vips: vipStatesToWire(seen)}, status(err)
}

func (s *netServer) InspectVIPs(ctx context.Context, r *pb.InspectVIPsRequest) (*pb.InspectVIPsResponse, error) {
	inspector, ok := s.b.(Inspector)
	if !ok {
		return s.UnimplementedNetworkBackendServiceServer.InspectVIPs(ctx, r)
	}
	want, err := vipsFromWire(r.GetWant())
	if err != nil {
		return nil, status(err)
	}
	found, err := inspector.Inspect(ctx, want)
	return &pb.InspectVIPsResponse{Findings: findingsToWire(found)}, status(err)
}

// bgpServer serves what BGP backends have besides.
type bgpServer struct {
	pb.UnimplementedBGPBackendServiceServer
	b    BGPBackend
	turn turn
}

func (s *bgpServer) PlanSpeaker(ctx context.Context, r *pb.PlanSpeakerRequest) (*pb.PlanSpeakerResponse, error) {
	want, err := speakerFromWire(r.GetWant())
	if err != nil {
		return nil, status(err)
	}
	var p Plan
	err = s.turn.do(ctx, func() (err error) { p, err = s.b.Plan(ctx, want); return err })
	return &pb.PlanSpeakerResponse{Plan: planToWire(p)}, status(err)
}

func (s *bgpServer) ApplySpeaker(ctx context.Context, r *pb.ApplySpeakerRequest) (*pb.ApplySpeakerResponse, error) {
	want, err := speakerFromWire(r.GetWant())
	if err == nil {
		err = s.turn.do(ctx, func() error { return s.b.Apply(ctx, want) })
	}
	return &pb.ApplySpeakerResponse{}, status(err)
}

func (s *bgpServer) ObserveSpeaker(ctx context.Context, _ *pb.ObserveSpeakerRequest) (*pb.ObserveSpeakerResponse, error) {
	var seen SpeakerState
	err := s.turn.do(ctx, func() (err error) { seen, err = s.b.Observe(ctx); return err })
	return speakerStateToWire(seen), status(err)
}

func (s *bgpServer) InspectSpeaker(ctx context.Context, r *pb.InspectSpeakerRequest) (*pb.InspectSpeakerResponse, error) {
	inspector, ok := s.b.(SpeakerInspector)
	if !ok {
		return s.UnimplementedBGPBackendServiceServer.InspectSpeaker(ctx, r)
	}
	want, err := speakerFromWire(r.GetWant())
	if err != nil {
		return nil, status(err)
	}
	found, err := inspector.InspectSpeaker(ctx, want)
	return &pb.InspectSpeakerResponse{Findings: findingsToWire(found)}, status(err)
}
