package conformance

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/contrib/hosts"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// TestVersions runs the suite with the daemons of each release of Debian, in
// roots of their own. It is long: STENTOR_TEST_HOSTS=all asks for it, or the
// names of some, as "trixie+bird3".
func TestVersions(t *testing.T) {
	for _, s := range askedFor(t) {
		for _, d := range backends {
			d.except = maps.Clone(d.except)
			if d.except == nil {
				d.except = map[string]string{}
			}
			maps.Copy(d.except, olderExcept[s.Suite][d.name])
			switch d.name {
			case "frr":
				d.daemon, d.settings = jailedFRR(s), jailedFRRSettings
			case "bird":
				d.daemon = jailedBIRD(s)
			default:
				continue
			}
			t.Run(s.String()+"/"+d.name, func(t *testing.T) { plugintest.TestBGP(t, d.inThisProcess()) })
		}
	}
}

// askedFor are the daemons of the releases that STENTOR_TEST_HOSTS names.
func askedFor(t *testing.T) (all []hosts.Speakers) {
	t.Helper()
	asked := strings.Fields(os.Getenv("STENTOR_TEST_HOSTS"))
	for _, s := range hosts.AllSpeakers {
		if slices.Contains(asked, "all") || slices.Contains(asked, s.String()) {
			all = append(all, s)
		}
	}
	if why := hosts.Missing(); why != "" && len(all) > 0 {
		t.Skip(why)
	}
	return all
}

// TestFarVersions has the far speakers be those of the newest release of
// Debian; the other tests have this system's. It is asked for as TestVersions is.
func TestFarVersions(t *testing.T) {
	for _, s := range askedFor(t) {
		if s.Suite != hosts.Trixie {
			continue
		}
		for _, name := range []string{"native", "gobgp"} {
			for _, far := range []string{"frr", "bird"} {
				t.Run(s.String()+"/"+name+" to "+far, func(t *testing.T) { testBFD(t, name, far, &s) })
			}
		}
		if s.GoBGPVersion != "" {
			t.Run(s.String()+"/native to gobgpd", func(t *testing.T) { testOther(t, "gobgpd", &s) })
		}
	}
}

// olderExcept are cases that an older release can't do, by backend.
var olderExcept = map[hosts.Suite]map[string]map[string]string{
	hosts.Bullseye: {
		"frr": {
			"next-hop": "an IPv4 next hop: FRR 7.5 does not keep the new entry of the peer's route-map, and the change is undone",
		},
		"bird": {"bfd": "BIRD 2.0.7 has no BFD timers for one peer"},
	},
}

// jailedFRRSettings is where the backend finds a jail's FRR. The jail is the
// whole host's folder, as vtysh has to see the files that are given to it.
func jailedFRRSettings(host place) map[string]any {
	return map[string]any{
		"vtysh": filepath.Join(host.dir, "bin/vtysh"), "vty_socket": filepath.Join(host.dir, "run/frr"), "resolve_via_default": true,
	}
}

func jailedFRR(s hosts.Speakers) func(place) (plugintest.BGPDaemon, error) {
	return func(host place) (plugintest.BGPDaemon, error) {
		j, err := s.Jail(context.Background(), host.dir)
		if err != nil {
			return nil, err
		}
		d, err := newDaemon(host, "etc/frr", map[string]string{"frr.conf": frrOperator})
		if err != nil {
			return nil, err
		}
		names, argv := j.FRR()
		// Kill is for the one that speaks BGP.
		names = append(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "bgpd" }), "bgpd")
		for _, name := range names {
			d.processes = append(d.processes, &process{argv: argv[name], socket: filepath.Join(host.dir, "run/frr", name+".vty")})
		}
		run := func(ctx context.Context, args ...string) (string, error) {
			out, err := exec.CommandContext(ctx, filepath.Join(host.dir, "bin/vtysh"), args...).CombinedOutput()
			if err != nil {
				return "", fmt.Errorf("vtysh %v: %w: %s", args, err, out)
			}
			return string(out), nil
		}
		d.boot = func(ctx context.Context) error {
			_, err := run(ctx, "-b")
			return err
		}
		d.config = func(ctx context.Context) (string, error) { return run(ctx, "-c", "show running-config") }
		return d, nil
	}
}

func jailedBIRD(s hosts.Speakers) func(place) (plugintest.BGPDaemon, error) {
	return func(host place) (plugintest.BGPDaemon, error) {
		j, err := s.Jail(context.Background(), host.dir)
		if err != nil {
			return nil, err
		}
		own, err := newBIRD(host)
		if err != nil {
			return nil, err
		}
		d := own.(*daemon)
		p := d.processes[0]
		p.argv = j.Command(append([]string{"bird"}, p.argv[1:]...)...)
		d.boot = func(ctx context.Context) error {
			out, err := exec.CommandContext(ctx, filepath.Join(host.dir, "bin/birdc"), "-s", p.socket, "show", "status").CombinedOutput()
			if err != nil {
				return fmt.Errorf("birdc show status: %w: %s", err, out)
			}
			return nil
		}
		return d, nil
	}
}
