package plugins

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	pb "github.com/stentor-net/stentor/plugins/proto/v1"
)

var (
	addrs = rapid.Custom(func(t *rapid.T) netip.Addr {
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")
		switch rapid.IntRange(0, 3).Draw(t, "family") {
		case 0:
			return netip.Addr{}
		case 1:
			return netip.AddrFrom4([4]byte(b))
		case 2:
			return netip.AddrFrom16([16]byte(b))
		}
		return netip.MustParseAddr("fe80::1").WithZone(rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "zone"))
	})
	prefixes = rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := addrs.Draw(t, "addr").WithZone("")
		if !a.IsValid() {
			return netip.Prefix{}
		}
		return netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
	})
	durations = rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(rapid.Int64().Draw(t, "ns")) })
	times     = rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(-1e9, 1e10).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns"))
	})
	counts = rapid.IntRange(0, min(1<<32-1, math.MaxInt))
)

func settings(depth int) *rapid.Generator[map[string]any] {
	values := []*rapid.Generator[any]{
		rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.Bool().AsAny(), rapid.Float64Range(-1e300, 1e300).AsAny(),
	}
	if depth > 0 {
		values = append(values, settings(depth-1).AsAny(),
			rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(rapid.OneOf(values...), 0, 3).Draw(t, "list") }))
	}
	return rapid.MapOfN(rapid.String(), rapid.OneOf(values...), 0, 4)
}

// crosses sends a value there and back, over the bytes too.
func crosses[V any, M proto.Message](t *testing.T, g *rapid.Generator[V], to func(V) M, back func(M) (V, error)) {
	t.Helper()
	t.Run(fmt.Sprintf("%T", *new(V)), func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			v := g.Draw(t, "value")
			m := to(v)
			raw, err := proto.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			again := m.ProtoReflect().New().Interface().(M)
			if err := proto.Unmarshal(raw, again); err != nil {
				t.Fatal(err)
			}
			got, err := back(again)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(v, got, cmpopts.EquateEmpty(), cmp.Comparer(same[netip.Addr]), cmp.Comparer(same[netip.Prefix])); d != "" {
				t.Fatal(d)
			}
		})
	})
}

func same[T comparable](a, b T) bool { return a == b }

func sure[M, V any](f func(M) V) func(M) (V, error) { return func(m M) (V, error) { return f(m), nil } }

// TestCrossing: every value is the same on the other side.
func TestCrossing(t *testing.T) {
	vip := rapid.Custom(func(t *rapid.T) VIP {
		return VIP{Name: rapid.String().Draw(t, "name"), Addr: addrs.Draw(t, "addr"), Link: rapid.String().Draw(t, "link")}
	})
	crosses(t, rapid.SliceOfN(vip, 0, 4),
		func(v []VIP) *pb.PlanVIPsRequest { return &pb.PlanVIPsRequest{Want: vipsToWire(v)} },
		func(m *pb.PlanVIPsRequest) ([]VIP, error) { return vipsFromWire(m.GetWant()) })
	crosses(t, rapid.SliceOfN(rapid.Custom(func(t *rapid.T) VIPState {
		return VIPState{VIP: vip.Draw(t, "vip"), OnHost: rapid.Bool().Draw(t, "on"), Adopted: rapid.Bool().Draw(t, "ad"), Drift: rapid.String().Draw(t, "drift")}
	}), 0, 4),
		func(v []VIPState) *pb.ObserveVIPsResponse { return &pb.ObserveVIPsResponse{Vips: vipStatesToWire(v)} },
		func(m *pb.ObserveVIPsResponse) ([]VIPState, error) { return vipStatesFromWire(m.GetVips()) })
	crosses(t, rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Finding {
		f := rapid.Make[Finding]().Draw(t, "finding")
		f.Severity, f.Line = rapid.SampledFrom([]Severity{SeverityProblem, SeverityWarning, SeverityNote}).Draw(t, "severity"), counts.Draw(t, "line")
		return f
	}), 0, 4),
		func(v []Finding) *pb.InspectVIPsResponse { return &pb.InspectVIPsResponse{Findings: findingsToWire(v)} },
		func(m *pb.InspectVIPsResponse) ([]Finding, error) { return findingsFromWire(m.GetFindings()) })
	crosses(t, speakers(), speakerToWire, speakerFromWire)
	crosses(t, rapid.Custom(func(t *rapid.T) SpeakerState {
		return SpeakerState{Peers: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) PeerState {
			var bfd *BFDState
			if rapid.Bool().Draw(t, "BFD") {
				bfd = &BFDState{State: rapid.String().Draw(t, "BFD state"), Since: times.Draw(t, "BFD since"), DetectTime: durations.Draw(t, "detect time"),
					Late: durations.Draw(t, "late"), Why: rapid.String().Draw(t, "why")}
			}
			return PeerState{
				Name:      rapid.String().Draw(t, "name"),
				State:     rapid.SampledFrom([]SessionState{StateIdle, StateConnect, StateActive, StateOpenSent, StateOpenConfirm, StateEstablished}).Draw(t, "state"),
				Since:     times.Draw(t, "since"),
				Announced: rapid.SliceOfN(prefixes, 0, 4).Draw(t, "announced"), LastError: rapid.String().Draw(t, "error"),
				ErrorAt: times.Draw(t, "at"), Received: counts.Draw(t, "received"), BFD: bfd, GracefulRestart: rapid.Bool().Draw(t, "graceful restart"),
			}
		}), 0, 3).Draw(t, "peers")}
	}), speakerStateToWire, speakerStateFromWire)
	crosses(t, rapid.Custom(func(t *rapid.T) Info {
		i := rapid.Make[Info]().Draw(t, "info")
		i.API, i.Kind = counts.Draw(t, "api"), rapid.SampledFrom([]Kind{KindNet, KindBGP}).Draw(t, "kind")
		return i
	}), infoToWire, infoFromWire)
	crosses(t, rapid.Custom(func(t *rapid.T) Detection {
		d := rapid.Make[Detection]().Draw(t, "detection")
		d.Score = int(rapid.Int32().Draw(t, "score"))
		return d
	}), detectionToWire, sure(detectionFromWire))
	crosses(t, rapid.Make[Change](), changeToWire, sure(changeFromWire))
	crosses(t, rapid.Make[Plan](), planToWire, sure(planFromWire))
	crosses(t, rapid.Custom(func(t *rapid.T) Config {
		return Config{Settings: settings(3).Draw(t, "settings"), StateDir: rapid.String().Draw(t, "dir"), Root: rapid.String().Draw(t, "root"), Force: rapid.Bool().Draw(t, "force")}
	}), func(c Config) *pb.ConfigureRequest {
		m, err := configToWire(c)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}, configFromWire)
}

func speakers() *rapid.Generator[Speaker] {
	peer := rapid.Custom(func(t *rapid.T) Peer {
		p := Peer{
			Name: rapid.String().Draw(t, "name"), Addr: addrs.Draw(t, "addr"), ASN: rapid.Uint32().Draw(t, "asn"), LocalAddr: addrs.Draw(t, "local"),
			Hold: durations.Draw(t, "hold"), Keepalive: durations.Draw(t, "keepalive"), ConnectRetry: durations.Draw(t, "retry"),
			TTL: counts.Draw(t, "ttl"), TTLSecurity: counts.Draw(t, "gtsm"), GracefulRestart: durations.Draw(t, "gr"),
			Password: string(rapid.SliceOf(rapid.Byte()).Draw(t, "password")), // any bytes, not text
		}
		if rapid.Bool().Draw(t, "bfd") {
			p.BFD = &BFD{TX: durations.Draw(t, "tx"), RX: durations.Draw(t, "rx"), Multiplier: counts.Draw(t, "mult"),
				Password: rapid.String().Draw(t, "BFD password"), KeyID: counts.Draw(t, "key ID"), Meticulous: rapid.Bool().Draw(t, "meticulous")}
		}
		return p
	})
	announcement := rapid.Custom(func(t *rapid.T) Announcement {
		return Announcement{
			VIP: rapid.String().Draw(t, "vip"), Prefix: prefixes.Draw(t, "prefix"), NextHop: addrs.Draw(t, "hop"),
			Communities:      rapid.SliceOfN(rapid.Make[Community](), 0, 3).Draw(t, "communities"),
			LargeCommunities: rapid.SliceOfN(rapid.Make[LargeCommunity](), 0, 3).Draw(t, "large"),
			MED:              rapid.Ptr(rapid.Uint32(), true).Draw(t, "med"), LocalPref: rapid.Ptr(rapid.Uint32(), true).Draw(t, "pref"),
			Prepend: counts.Draw(t, "prepend"), Peers: rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "peers"),
		}
	})
	return rapid.Custom(func(t *rapid.T) Speaker {
		return Speaker{
			ASN: rapid.Uint32().Draw(t, "asn"), RouterID: addrs.Draw(t, "id"),
			Peers: rapid.SliceOfN(peer, 0, 3).Draw(t, "peers"), Announcements: rapid.SliceOfN(announcement, 0, 3).Draw(t, "announcements"),
		}
	})
}

// TestErrorsCross: an error means the same on the other side, and reads the same.
func TestErrorsCross(t *testing.T) {
	tests := map[codes.Code]error{
		codes.AlreadyExists:    fmt.Errorf("/etc/x: %w", ErrForeign),
		codes.Unimplemented:    fmt.Errorf("no BFD: %w", ErrUnsupported),
		codes.Unavailable:      fmt.Errorf("the FRR daemon is down: %w", ErrUnavailable),
		codes.Canceled:         fmt.Errorf("vtysh: %w", context.Canceled),
		codes.DeadlineExceeded: fmt.Errorf("vtysh: %w", context.DeadlineExceeded),
		codes.InvalidArgument:  fmt.Errorf("table: %w", &ConfigError{Key: "a.b", Msg: "must be absolute", Hint: "start it with /"}),
		codes.Unknown:          errors.New("vtysh: exit status 1\xff"),
	}
	all := []error{ErrForeign, ErrUnsupported, ErrUnavailable, context.Canceled, context.DeadlineExceeded}
	for code, err := range tests {
		sent := status(err)
		if got := grpcstatus.Code(sent); got != code {
			t.Errorf("%v: code %v, want %v", err, got, code)
		}
		got := unstatus(sent)
		if want := validText(err); got.Error() != want {
			t.Errorf("%q, want %q", got, want)
		}
		for _, means := range all {
			if errors.Is(err, means) != errors.Is(got, means) {
				t.Errorf("%v: Is(%v) is %v", got, means, errors.Is(got, means))
			}
		}
		var want, have *ConfigError
		if errors.As(err, &want) != errors.As(got, &have) || want != nil && *want != *have {
			t.Errorf("%+v, want %+v", have, want)
		}
	}
	both := unstatus(status(errors.Join(ErrForeign, ErrUnavailable)))
	if !errors.Is(both, ErrForeign) || !errors.Is(both, ErrUnavailable) {
		t.Errorf("two meanings: %v", both)
	}
	if status(nil) != nil || unstatus(nil) != nil {
		t.Error("nil is an error on the other side")
	}
}

func validText(err error) string {
	if s := err.Error(); s == "vtysh: exit status 1\xff" {
		return "vtysh: exit status 1\uFFFD"
	}
	return err.Error()
}

// TestCodesAlone: a plugin in another language may send no details.
func TestCodesAlone(t *testing.T) {
	for code, want := range map[codes.Code]error{codes.Unavailable: ErrUnavailable, codes.AlreadyExists: ErrForeign, codes.Unimplemented: ErrUnsupported} {
		got := unstatus(grpcstatus.Error(code, "the daemon is down"))
		if !errors.Is(got, want) || got.Error() != "the daemon is down" {
			t.Errorf("%v: %v", code, got)
		}
	}
	var ce *ConfigError
	if got := unstatus(grpcstatus.Error(codes.InvalidArgument, "path must be absolute")); !errors.As(got, &ce) || ce.Msg != "path must be absolute" {
		t.Errorf("%v", got)
	}
}

// FuzzWire: whatever bytes come, there is a value or an error.
func FuzzWire(f *testing.F) {
	for _, m := range []proto.Message{
		&pb.ApplySpeakerRequest{Want: &pb.Speaker{RouterId: "192.0.2.7", Peers: []*pb.Peer{{Address: "x"}}}},
		&pb.ConfigureRequest{Settings: &pb.Table{Entries: map[string]*pb.Value{"k": {}}}},
	} {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		read := func(m proto.Message, back func()) {
			if proto.Unmarshal(raw, m) == nil {
				back()
			}
		}
		speaker, configure, observe := &pb.ApplySpeakerRequest{}, &pb.ConfigureRequest{}, &pb.ObserveSpeakerResponse{}
		vips, states, findings := &pb.ApplyVIPsRequest{}, &pb.ObserveVIPsResponse{}, &pb.InspectVIPsResponse{}
		read(speaker, func() {
			if s, err := speakerFromWire(speaker.GetWant()); err == nil {
				_ = speakerToWire(s)
			}
		})
		read(configure, func() {
			if c, err := configFromWire(configure); err == nil {
				if _, err := configToWire(c); err != nil {
					t.Error(err)
				}
			}
		})
		read(observe, func() { _, _ = speakerStateFromWire(observe) })
		read(vips, func() { _, _ = vipsFromWire(vips.GetWant()) })
		read(states, func() { _, _ = vipStatesFromWire(states.GetVips()) })
		read(findings, func() { _, _ = findingsFromWire(findings.GetFindings()) })
	})
}

// TestNoEndlessTable: a table nested deeper than the config allows is refused.
func TestNoEndlessTable(t *testing.T) {
	deep := map[string]any{}
	for range 100 {
		deep = map[string]any{"k": deep}
	}
	if _, err := configToWire(Config{Settings: deep}); err == nil {
		t.Error("taken")
	}
	m := &pb.Table{}
	for range 100 {
		m = &pb.Table{Entries: map[string]*pb.Value{"k": {Kind: &pb.Value_Table{Table: m}}}}
	}
	if _, err := configFromWire(&pb.ConfigureRequest{Settings: m}); err == nil {
		t.Error("taken")
	}
}
