package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	pb "github.com/stentor-net/stentor/plugins/proto/v1"
)

// closeTimeout is how long a backend on the other side may take to clean up.
const closeTimeout = 5 * time.Second

// NetOver gives the network backend that RegisterNet serves at the other end
// of conn. It asks for its Info.
func NetOver(ctx context.Context, conn grpc.ClientConnInterface) (NetBackend, error) {
	c, err := newClient(ctx, conn, KindNet)
	if err != nil {
		return nil, err
	}
	return &netClient{client: c, rpc: pb.NewNetworkBackendServiceClient(conn)}, nil
}

// BGPOver gives the BGP backend that RegisterBGP serves at the other end of
// conn. It asks for its Info.
func BGPOver(ctx context.Context, conn grpc.ClientConnInterface) (BGPBackend, error) {
	c, err := newClient(ctx, conn, KindBGP)
	if err != nil {
		return nil, err
	}
	return &bgpClient{client: c, rpc: pb.NewBGPBackendServiceClient(conn)}, nil
}

// client is a Backend on the other side.
type client struct {
	base pb.BackendServiceClient
	info Info
}

func newClient(ctx context.Context, conn grpc.ClientConnInterface, kind Kind) (*client, error) {
	c := &client{base: pb.NewBackendServiceClient(conn)}
	r, err := c.base.Info(ctx, &pb.InfoRequest{})
	if err != nil {
		return nil, unstatus(err)
	}
	if c.info, err = infoFromWire(r); err != nil {
		return nil, err
	}
	if c.info.Kind != kind {
		return nil, fmt.Errorf("%s is a %s backend, not a %s backend", c.info.Name, c.info.Kind, kind)
	}
	return c, nil
}

func (c *client) Info() Info { return c.info }

func (c *client) Configure(ctx context.Context, cfg Config) error {
	r, err := configToWire(cfg)
	if err != nil {
		return err
	}
	_, err = c.base.Configure(ctx, r)
	return unstatus(err)
}

func (c *client) Detect(ctx context.Context) (Detection, error) {
	r, err := c.base.Detect(ctx, &pb.DetectRequest{})
	return detectionFromWire(r), unstatus(err)
}

func (c *client) Watch(ctx context.Context, changed func(Change)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, err := c.base.Watch(ctx, &pb.WatchRequest{})
	for err == nil {
		var r *pb.WatchResponse
		if r, err = in.Recv(); err == nil {
			changed(changeFromWire(r.GetChange()))
		}
	}
	if ctx.Err() != nil || errors.Is(err, io.EOF) {
		return nil
	}
	return unstatus(err)
}

func (c *client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_, err := c.base.Close(ctx, &pb.CloseRequest{})
	return unstatus(err)
}

// netClient is a NetBackend and an Inspector on the other side.
type netClient struct {
	*client
	rpc pb.NetworkBackendServiceClient
}

func (c *netClient) Plan(ctx context.Context, want []VIP) (Plan, error) {
	r, err := c.rpc.PlanVIPs(ctx, &pb.PlanVIPsRequest{Want: vipsToWire(want)})
	return planFromWire(r.GetPlan()), unstatus(err)
}

func (c *netClient) Apply(ctx context.Context, want []VIP) error {
	_, err := c.rpc.ApplyVIPs(ctx, &pb.ApplyVIPsRequest{Want: vipsToWire(want)})
	return unstatus(err)
}

func (c *netClient) Observe(ctx context.Context) ([]VIPState, error) {
	r, err := c.rpc.ObserveVIPs(ctx, &pb.ObserveVIPsRequest{})
	if err != nil {
		return nil, unstatus(err)
	}
	return vipStatesFromWire(r.GetVips())
}

// Inspect finds nothing if the other side is no Inspector.
func (c *netClient) Inspect(ctx context.Context, want []VIP) ([]Finding, error) {
	r, err := c.rpc.InspectVIPs(ctx, &pb.InspectVIPsRequest{Want: vipsToWire(want)})
	if err = unstatus(err); errors.Is(err, ErrUnsupported) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return findingsFromWire(r.GetFindings())
}

// bgpClient is a BGPBackend on the other side.
type bgpClient struct {
	*client
	rpc pb.BGPBackendServiceClient
}

func (c *bgpClient) Plan(ctx context.Context, want Speaker) (Plan, error) {
	r, err := c.rpc.PlanSpeaker(ctx, &pb.PlanSpeakerRequest{Want: speakerToWire(want)})
	return planFromWire(r.GetPlan()), unstatus(err)
}

func (c *bgpClient) Apply(ctx context.Context, want Speaker) error {
	_, err := c.rpc.ApplySpeaker(ctx, &pb.ApplySpeakerRequest{Want: speakerToWire(want)})
	return unstatus(err)
}

func (c *bgpClient) Observe(ctx context.Context) (SpeakerState, error) {
	r, err := c.rpc.ObserveSpeaker(ctx, &pb.ObserveSpeakerRequest{})
	if err != nil {
		return SpeakerState{}, unstatus(err)
	}
	return speakerStateFromWire(r)
}

// InspectSpeaker finds nothing if the other side is no SpeakerInspector.
func (c *bgpClient) InspectSpeaker(ctx context.Context, want Speaker) ([]Finding, error) {
	r, err := c.rpc.InspectSpeaker(ctx, &pb.InspectSpeakerRequest{Want: speakerToWire(want)})
	if err = unstatus(err); errors.Is(err, ErrUnsupported) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return findingsFromWire(r.GetFindings())
}
