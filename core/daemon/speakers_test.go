package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/plugins"
)

// driven is a speaker that outlives its daemon; down says why it can't be used.
type driven struct {
	fakeBGP
	down error
}

func (d *driven) Info() plugins.Info {
	info := d.fakeBGP.Info()
	info.Caps = append(info.Caps, plugins.CapOutlivesDaemon)
	return info
}

func (d *driven) Detect(ctx context.Context) (plugins.Detection, error) {
	if d.down != nil {
		return plugins.Detection{}, d.down
	}
	return d.fakeBGP.Detect(ctx)
}

func newDriven(name string) *driven {
	return &driven{fakeBGP: fakeBGP{base: base{name, plugins.KindBGP}}}
}

// drivenOptions has two driven speakers, and one that dies with the daemon.
func drivenOptions(t *testing.T) (o Options, frr, bird *driven, own *fakeBGP) {
	t.Helper()
	o = options(t, sound)
	frr, bird, own = newDriven("frr"), newDriven("bird"), &fakeBGP{base: base{"fakebgp", plugins.KindBGP}}
	o.Registry = registry.New([]plugins.NetBackend{&fakeNet{base: base{"fakenet", plugins.KindNet}}},
		[]plugins.BGPBackend{frr, bird, own}, registry.Options{StateDir: o.StateDir})
	return o, frr, bird, own
}

func with(backend string) string { return strings.Replace(sound, "fakebgp", backend, 1) }

func TestSwap(t *testing.T) {
	o, frr, bird, own := drivenOptions(t)
	client, stop := start(t, o, nil)
	eventually(t, "the first speaker has the peer", func() bool { return len(own.now().Peers) == 1 })

	frr.down = errors.New("bgpd does not answer")
	write(t, o.Config, with("frr"))
	var refused *control.Error
	if _, err := client.Reload(t.Context()); !errors.As(err, &refused) || refused.Kind != control.KindFailed || !strings.Contains(err.Error(), "bgpd does not answer") {
		t.Errorf("a speaker that is down: %v", err)
	}
	if s := statusOf(t, client); s.Generation != 1 || s.BGP.Backend != "fakebgp" || len(own.now().Peers) != 1 {
		t.Errorf("after a refusal: generation %d, %s", s.Generation, s.BGP.Backend)
	}

	write(t, o.Config, with("bird"))
	if d, err := client.Diff(t.Context()); err != nil || !strings.Contains(string(d), "bird, peer by peer") {
		t.Errorf("diff: %s, %v", d, err)
	}
	done, err := client.Reload(t.Context())
	if err != nil || done.Generation != 2 || len(done.Notes) != 1 || !strings.Contains(done.Notes[0], "from fakebgp to bird") {
		t.Errorf("reload: %+v, %v", done, err)
	}
	eventually(t, "bird has the peer alone", func() bool {
		return len(bird.now().Peers) == 1 && len(own.now().Peers) == 0 && statusOf(t, client).BGP.Backend == "bird"
	})
	if names := recorded(t, o); names != "bird" {
		t.Errorf("recorded %q", names)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if names := recorded(t, o); names != "" || len(bird.now().Peers) != 0 {
		t.Errorf("after the stop: recorded %q, bird has %d peers", names, len(bird.now().Peers))
	}
}

// A driven speaker that was left with the peers by a crash hands them over to
// the one that the config names now.
func TestEarlierSpeaker(t *testing.T) {
	o, frr, bird, own := drivenOptions(t)
	if err := os.MkdirAll(o.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(o.StateDir, "speakers.json"), `{"names": ["frr", "gone"]}`)
	frr.apply(plugins.Speaker{ASN: 65001, Peers: []plugins.Peer{{Name: "rs1"}}})
	start(t, o, nil)
	eventually(t, "the new speaker has the peer alone", func() bool {
		return len(own.now().Peers) == 1 && len(frr.now().Peers) == 0
	})
	eventually(t, "frr is forgotten", func() bool { return recorded(t, o) == "gone" })
	if len(bird.now().Peers) != 0 {
		t.Error("bird was given the peer")
	}
}

func recorded(t *testing.T, o Options) string {
	t.Helper()
	r, err := readOutliving(o.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(r.Names, " ")
}
