package plugins

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"pgregory.net/rapid"
)

// recorder is a BGP backend that notes what comes, and panics if asked.
type recorder struct {
	BGPBackend
	want    Speaker
	config  Config
	observe func() (SpeakerState, error)
}

func (r *recorder) Info() Info { return Info{Name: "recorder", API: APIVersion, Kind: KindBGP} }
func (r *recorder) Configure(_ context.Context, c Config) error {
	r.config = c
	return nil
}
func (r *recorder) Apply(_ context.Context, want Speaker) error { r.want = want; return nil }
func (r *recorder) Observe(context.Context) (SpeakerState, error) {
	return r.observe()
}
func (r *recorder) Watch(ctx context.Context, changed func(Change)) error {
	changed(Change{Object: "rs1", Why: "is up"})
	<-ctx.Done()
	return nil
}
func (r *recorder) Close() error { return nil }

// over serves b on a pipe, and gives the other end.
func over(t *testing.T, b BGPBackend, o ...grpc.ServerOption) *grpc.ClientConn {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	s := grpc.NewServer(o...)
	RegisterBGP(s, b)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	conn, err := grpc.NewClient("passthrough:pipe", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestOver: calls reach the backend, and Watch ends with its context.
func TestOver(t *testing.T) {
	r := &recorder{observe: func() (SpeakerState, error) { return SpeakerState{}, fmt.Errorf("birdc: %w", ErrUnavailable) }}
	conn := over(t, r)
	b, err := BGPOver(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NetOver(t.Context(), conn); err == nil || err.Error() != "recorder is a bgp backend, not a network backend" {
		t.Error(err)
	}
	want := rapid.Custom(func(t *rapid.T) Speaker { return speakers().Draw(t, "speaker") }).Example(7)
	if err := b.Apply(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, r.want, cmpopts.EquateEmpty(), cmp.Comparer(same[netip.Addr]), cmp.Comparer(same[netip.Prefix])); d != "" {
		t.Error(d)
	}
	if _, err := b.Observe(t.Context()); !errors.Is(err, ErrUnavailable) || err.Error() != "birdc: unavailable" {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var seen []Change
	if err := b.Watch(ctx, func(c Change) { seen = append(seen, c); cancel() }); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff([]Change{{Object: "rs1", Why: "is up"}}, seen); d != "" {
		t.Error(d)
	}
	if err := b.Configure(t.Context(), Config{Settings: map[string]any{"n": 1}}); err == nil {
		t.Error("an int is no TOML value")
	}
}

// doctor is a recorder that knows traps.
type doctor struct {
	*recorder
	found []Finding
}

func (d *doctor) InspectSpeaker(_ context.Context, want Speaker) ([]Finding, error) {
	d.want = want
	return d.found, nil
}

// TestInspectSpeaker: findings come over, and who knows none has none to tell.
func TestInspectSpeaker(t *testing.T) {
	want := Speaker{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.7"), Peers: []Peer{{Name: "rs1", Addr: netip.MustParseAddr("2001:db8::1"), ASN: 65000}}}
	d := &doctor{recorder: &recorder{}, found: []Finding{{Code: "x-trap", Severity: SeverityWarning, Object: "rs1", Path: "/etc/x.conf", Line: 3, Message: "m", Hint: "h"}}}
	for _, tt := range []struct {
		backend BGPBackend
		found   []Finding
	}{{d, d.found}, {d.recorder, nil}} {
		b, err := BGPOver(t.Context(), over(t, tt.backend))
		if err != nil {
			t.Fatal(err)
		}
		found, err := b.(SpeakerInspector).InspectSpeaker(t.Context(), want)
		if diff := cmp.Diff(tt.found, found); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	if diff := cmp.Diff(want, d.want, cmpopts.EquateEmpty(), cmp.Comparer(same[netip.Addr]), cmp.Comparer(same[netip.Prefix])); diff != "" {
		t.Error(diff)
	}
}
