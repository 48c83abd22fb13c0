package lab

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"github.com/BurntSushi/toml"
	api "github.com/osrg/gobgp/v3/api"
	gobgplog "github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/server"
	"github.com/vishvananda/netlink"
	"google.golang.org/protobuf/types/known/anypb"
)

// announcer stands in for `stentor run`, so that the lab is tested on its own:
// it reads the demo's configuration, puts the addresses on lo, and announces
// them with GoBGP until SIGTERM.
func announcer(path string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var config struct {
		BGP struct{ DCID int }
		VIP map[string]struct{ Address, Role string }
	}
	if _, err := toml.DecodeFile(path, &config); err != nil {
		return err
	}
	bgp := server.NewBgpServer(server.LoggerOption(quiet{}))
	go bgp.Serve()
	if err := bgp.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{Asn: 65001, RouterId: "10.0.0.1", ListenPort: -1}}); err != nil {
		return err
	}
	for _, vip := range config.VIP {
		if err := announce(ctx, bgp, netip.MustParsePrefix(vip.Address), vip.Role); err != nil {
			return err
		}
	}
	for _, p := range Linode(config.BGP.DCID, 4).Peers {
		err := bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{
			Conf:         &api.PeerConf{NeighborAddress: p.Addr.String(), PeerAsn: p.ASN},
			Timers:       &api.Timers{Config: &api.TimersConfig{HoldTime: 9, KeepaliveInterval: 3, ConnectRetry: 1}},
			EbgpMultihop: &api.EbgpMultihop{Enabled: true, MultihopTtl: 16},
			AfiSafis: []*api.AfiSafi{
				{Config: &api.AfiSafiConfig{Enabled: true, Family: &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}}},
				{Config: &api.AfiSafiConfig{Enabled: true, Family: &api.Family{Afi: api.Family_AFI_IP6, Safi: api.Family_SAFI_UNICAST}}},
			},
		}})
		if err != nil {
			return err
		}
	}
	<-ctx.Done()
	return bgp.StopBgp(context.Background(), &api.StopBgpRequest{})
}

func announce(ctx context.Context, bgp *server.BgpServer, vip netip.Prefix, role string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	host := netip.PrefixFrom(vip.Addr(), vip.Addr().BitLen())
	if err := netlink.AddrReplace(lo, &netlink.Addr{IPNet: ipNet(host)}); err != nil {
		return err
	}
	community := uint32(65000<<16 | 2)
	if role == "primary" {
		community = 65000<<16 | 1
	}
	family, nextHop := &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}, "0.0.0.0"
	if vip.Addr().Is6() {
		family, nextHop = &api.Family{Afi: api.Family_AFI_IP6, Safi: api.Family_SAFI_UNICAST}, "::"
	}
	nlri, err := anypb.New(&api.IPAddressPrefix{Prefix: vip.Masked().Addr().String(), PrefixLen: uint32(vip.Bits())})
	if err != nil {
		return err
	}
	origin, err := anypb.New(&api.OriginAttribute{})
	if err != nil {
		return err
	}
	next, err := anypb.New(&api.NextHopAttribute{NextHop: nextHop})
	if err != nil {
		return err
	}
	communities, err := anypb.New(&api.CommunitiesAttribute{Communities: []uint32{community}})
	if err != nil {
		return err
	}
	_, err = bgp.AddPath(ctx, &api.AddPathRequest{Path: &api.Path{Family: family, Nlri: nlri, Pattrs: []*anypb.Any{origin, next, communities}}})
	return err
}

// quiet is GoBGP's logger, with what is worth a line.
type quiet struct{}

func (quiet) Panic(msg string, f gobgplog.Fields) { panic(fmt.Sprint(msg, f)) }
func (quiet) Fatal(msg string, f gobgplog.Fields) { panic(fmt.Sprint(msg, f)) }
func (quiet) Error(msg string, f gobgplog.Fields) { slog.Error(msg, "fields", f) }
func (quiet) Warn(msg string, f gobgplog.Fields)  { slog.Warn(msg, "fields", f) }
func (quiet) Info(msg string, f gobgplog.Fields)  { slog.Info(msg, "fields", f) }
func (quiet) Debug(string, gobgplog.Fields)       {}
func (quiet) SetLevel(gobgplog.LogLevel)          {}
func (quiet) GetLevel() gobgplog.LogLevel         { return gobgplog.InfoLevel }

// flagValue is the value of a flag in the form that scenario.hostArgs gives.
func flagValue(name string) string {
	for i, a := range os.Args {
		if a == name && i+1 < len(os.Args) {
			return os.Args[i+1]
		}
	}
	return ""
}
