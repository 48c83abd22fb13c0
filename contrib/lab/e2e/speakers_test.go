package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
)

// speaker starts a host's own BGP daemon.
func (r *rig) speaker(host string, kind lab.Kind) *lab.Speaker {
	r.t.Helper()
	s, err := r.StartSpeaker(r.limit(time.Minute), host, kind)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// configFor is config for a backend that is not the standard one, with the
// tables of all that are at hand.
func (r *rig) configFor(host string, kind lab.Kind, tables string, vips ...string) {
	r.t.Helper()
	r.config(host, vips...)
	text, err := os.ReadFile(r.file(host))
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(host, strings.Replace(string(text), "[bgp]\n", fmt.Sprintf("[bgp]\nbackend = %q\n", kind), 1)+tables)
}

// TestMixedPairs: hosts whose speakers differ fail over and back, and a driven
// speaker goes on announcing when stentor crashes.
func TestMixedPairs(t *testing.T) {
	for _, pair := range [][2]lab.Kind{{lab.GoBGP, lab.FRR}, {lab.FRR, lab.BIRD}, {lab.BIRD, lab.GoBGP}} {
		t.Run(fmt.Sprintf("%s and %s", pair[0], pair[1]), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, lab.FRR)
			a, b := r.speaker(lab.HostA, pair[0]), r.speaker(lab.HostB, pair[1])
			r.configFor(lab.HostA, pair[0], a.TOML, with(vips, "primary")...)
			r.configFor(lab.HostB, pair[1], b.TOML, with(vips, "secondary")...)
			r.start(lab.HostB)
			r.holds(lab.HostB, 20*time.Second, with(prefixes, "65000:2")...)
			p := r.ping(addresses[0])
			r.answers(p, lab.HostB, 10*time.Second)
			for range 2 {
				began := time.Now()
				r.start(lab.HostA)
				r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)
				r.answers(p, lab.HostA, 10*time.Second)
				r.lossless(p, began, "failback")
				began = time.Now()
				r.stop(lab.HostA)
				r.holds(lab.HostA, 5*time.Second)
				r.answers(p, lab.HostB, 5*time.Second)
				r.lossless(p, began, "SIGTERM")
				r.onHost(lab.HostA, "after SIGTERM")
			}
		})
	}
}

// TestSwap changes the speaker of a host that has the traffic: no ping is lost
// or answered by the other host.
func TestSwap(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.BIRD)
	frr, bird := r.speaker(lab.HostA, lab.FRR), r.speaker(lab.HostA, lab.BIRD)
	r.config(lab.HostB, with(vips, "secondary")...)
	r.config(lab.HostA, with(vips, "primary")...)
	r.start(lab.HostB)
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)
	r.holds(lab.HostB, 20*time.Second, with(prefixes, "65000:2")...)
	p := r.ping(addresses[0])
	r.answers(p, lab.HostA, 10*time.Second)
	swap := func(to lab.Kind, code int, says string) {
		t.Helper()
		began := time.Now()
		r.configFor(lab.HostA, to, frr.TOML+bird.TOML, with(vips, "primary")...)
		wait := "2m" // no more than it takes
		if code != 0 {
			wait = "45s" // all of it
		}
		out, talk, got := r.run(lab.HostA, "apply", "--wait", wait)
		if got != code {
			t.Fatalf("to %s: exit code %d: %s%s", to, got, out, talk)
		}
		if !strings.Contains(out+talk, says) { // the way back may take longer than the wait
			r.until("status tells: "+says, time.Minute, func() (bool, string) {
				out, talk, _ := r.run(lab.HostA, "status")
				return strings.Contains(out+talk, says), out + talk
			})
		}
		r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)
		r.lossless(p, began, "to "+string(to))
		if report := p.Report(began); len(report.Switches) > 0 {
			t.Errorf("to %s: %s", to, report)
		}
		t.Logf("to %s: %s", to, time.Since(began).Round(10*time.Millisecond))
	}
	swap(lab.FRR, 0, "one peer at a time")
	// BIRD needs port 179, which FRR's bgpd has: the peer comes back to FRR.
	swap(lab.BIRD, 1, "frr has the peers again")
	swap(lab.GoBGP, 0, "one peer at a time")
	if err := frr.Kill(r.limit(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	swap(lab.BIRD, 0, "one peer at a time")
	swap(lab.GoBGP, 0, "one peer at a time")
	if files, _ := filepath.Glob(filepath.Join(r.Dir(), "a-bird", "include", "*")); len(files) > 0 {
		t.Errorf("left in BIRD's folder: %v", files)
	}
}

// TestEarlierSpeaker: stentor is killed under one speaker, which goes on
// announcing, and started under another, which takes the peers over.
func TestEarlierSpeaker(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.FRR)
	frr := r.speaker(lab.HostA, lab.FRR)
	r.configFor(lab.HostA, lab.FRR, frr.TOML, with(vips, "primary")...)
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)
	p := r.ping(addresses[0])
	r.answers(p, lab.HostA, 10*time.Second)
	began := time.Now()
	if err := r.proc[lab.HostA].Kill(r.limit(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	r.holds(lab.HostA, 5*time.Second, with(prefixes, "65000:1")...)
	r.configFor(lab.HostA, lab.GoBGP, frr.TOML, with(vips, "primary")...)
	r.start(lab.HostA)
	r.until("gobgp has the peers", 2*time.Minute, func() (bool, string) {
		out, talk, code := r.run(lab.HostA, "status") // 3: it does not answer yet
		return code == 0 && strings.Contains(out, "by gobgp"), out + talk
	})
	r.holds(lab.HostA, 5*time.Second, with(prefixes, "65000:1")...)
	r.lossless(p, began, "the change of speakers")
	running, err := frr.Show(r.limit(10*time.Second), "show running-config")
	if err != nil || strings.Contains(running, "stentor") || strings.Contains(running, "router bgp") {
		t.Errorf("FRR still has something of ours: %v\n%s", err, running)
	}
}

// TestSpeakerRestarts: the daemon that stentor drives dies. Status tells so, the
// other host has the traffic, and all is as before when the daemon is back.
func TestSpeakerRestarts(t *testing.T) {
	for _, kind := range []lab.Kind{lab.FRR} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, lab.BIRD)
			s := r.speaker(lab.HostA, kind)
			r.configFor(lab.HostA, kind, s.TOML, with(vips, "primary")...)
			r.config(lab.HostB, with(vips, "secondary")...)
			r.start(lab.HostB)
			r.start(lab.HostA)
			r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)
			r.holds(lab.HostB, 20*time.Second, with(prefixes, "65000:2")...)
			p := r.ping(addresses[0])
			r.answers(p, lab.HostA, 10*time.Second)
			for range 2 {
				died := time.Now()
				if err := s.Kill(r.limit(5 * time.Second)); err != nil {
					t.Fatal(err)
				}
				r.until("status of the dead daemon", 20*time.Second, func() (bool, string) {
					v := r.status(lab.HostA)
					up := slices.ContainsFunc(v.Peers, func(p peerView) bool { return p.State == "established" || p.LastError == "" })
					told := slices.ContainsFunc(v.VIPs, func(v vipView) bool { return len(v.AnnouncedTo) > 0 })
					return !up && !told, fmt.Sprintf("%+v", v)
				})
				t.Logf("told %s after the end of the daemon", time.Since(died).Round(10*time.Millisecond))
				r.answers(p, lab.HostB, 10*time.Second)
				r.lossless(p, died, "the end of the daemon")
				if err := s.Start(r.limit(time.Minute)); err != nil {
					t.Fatal(err)
				}
				back := time.Now()
				r.holds(lab.HostA, 90*time.Second, with(prefixes, "65000:1")...)
				t.Logf("announced again %s after its return", time.Since(back).Round(10*time.Millisecond))
				r.answers(p, lab.HostA, 10*time.Second)
				r.lossless(p, back, "its return")
			}
		})
	}
}
