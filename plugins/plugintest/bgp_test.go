package plugintest

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// refUnder puts the reference backend with a bug to the suite, driven by a
// daemon or with a speaker of its own.
func refUnder(t *testing.T, bug string, driven bool) BGP {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	var mu sync.Mutex
	daemons := map[*BGPHost]*refDaemon{}
	under := BGP{
		Patience: 30 * time.Second,
		Open: func(host *BGPHost) (plugins.BGPBackend, error) {
			b := &refBGP{bug: bug, host: host, watchers: &watchers{}}
			mu.Lock()
			b.daemon = daemons[host]
			mu.Unlock()
			if b.daemon != nil {
				b.watchers = b.daemon.watchers
				return b, nil
			}
			var err error
			b.own, err = newRefSpeaker(bug, host, b.tell)
			if err == nil && bug == "listens" {
				err = host.Do(func() error {
					l, err := net.Listen("tcp", "[::1]:179")
					if err == nil {
						t.Cleanup(func() { l.Close() })
					}
					return err
				})
			}
			return b, err
		},
		Kill: func(b plugins.BGPBackend) error {
			r := b.(*refBGP)
			if r.own != nil {
				if bug == "stays connected when it is killed" {
					t.Cleanup(r.own.abort)
				} else {
					r.own.abort()
				}
				r.own = nil
				r.daemon = &refDaemon{host: r.host, watchers: &watchers{}} // one that is down
			}
			return nil
		},
		PID: func(plugins.BGPBackend) int { return os.Getpid() },
	}
	if driven {
		under.Daemon = func(host *BGPHost) (BGPDaemon, error) {
			d := &refDaemon{bug: bug, host: host, watchers: &watchers{}}
			mu.Lock()
			daemons[host] = d
			mu.Unlock()
			return d, nil
		}
	}
	return under
}

func TestBGPReferenceKeepsAllPromises(t *testing.T) { TestBGP(t, refUnder(t, "", false)) }

func TestBGPReferenceDrivenKeepsAllPromises(t *testing.T) { TestBGP(t, refUnder(t, "", true)) }

// TestBrokenBGPPromisesAreFound: for each case there is a bug that it finds.
func TestBrokenBGPPromisesAreFound(t *testing.T) {
	bugs := map[string][]string{
		"bgp-info":             {"says that it is a network backend"},
		"bgp-unknown-setting":  {"takes any key"},
		"bgp-detect":           {"announces when it detects"},
		"plan-tells":           {"does it when it plans", "does not say what it plans"},
		"apply-settles":        {"always plans to add", "does not say what it sent"},
		"same-again":           {"sends all again", "restarts at each Apply"},
		"any-order":            {"minds the order"},
		"stop":                 {"goes without a Cease", "ceases before it withdraws"},
		"start-again":          {"keeps its first router ID"},
		"observe":              {"has words of its own"},
		"watch-sessions":       {"tells nothing of a session that is back", "ends Watch with an error"},
		"bgp-ended-context":    {"does not look at its context"},
		"bgp-cut-off":          {"takes its time", "notes before it has done"},
		"announce-ipv4":        {"announces twice", "gives a foreign next hop"},
		"announce-ipv6":        {"gives a foreign next hop"},
		"announce-range":       {"announces the address on the host"},
		"change-role":          {"withdraws before it changes"},
		"drain":                {"drops well-known communities"},
		"withdraw-one":         {"withdraws at each change"},
		"change-peers":         {"restarts all sessions"},
		"many":                 {"stops after 900", "announces twice"},
		"no-ipv6":              {"does not look at capabilities"},
		"no-extended-next-hop": {"does not look at capabilities"},
		"same-router-id":       {"wants its router ID for itself"},
		"wrong-as":             {"takes any AS", "storms"},
		"refused-as":           {"storms"},
		"unreachable-server":   {"dials one after the other"},
		"server-restarts":      {"gives up after a loss"},
		"cease":                {"drops the text of a Cease"},
		"cease-each-time":      {"storms"},
		"mute-server":          {"says that a silent peer is up"},
		"hold-timer":           {"waits for ever"},
		"silent-cut":           {"waits for ever"},
		"killed":               {"stays connected when it is killed"},
		"routes-from-peer":     {"loses count", "installs what it gets"},
		"opens-no-port":        {"listens"},
		"address-back":         {"drops for good what has no address"},
		"close-keeps":          {"withdraws when it is closed"},
		"unknown-type":         {"falls over"},
		"bad-marker":           {"does not look at the marker"},
		"short-length":         {"keeps errors to itself"},
		"long-length":          {"falls over"},
		"long-origin":          {"falls over"},
		"truncated-open":       {"falls over"},
		"hold-time-1":          {"takes any Hold Time"},

		"md5":                     {"ignores passwords"},
		"md5-wrong":               {"says nothing of silence"},
		"password-secret":         {"tells the password"},
		"ttl-security":            {"does not look at the TTL"},
		"multihop":                {"always sends with TTL 1"},
		"bfd":                     {"does not look at BFD"},
		"local-address":           {"leaves the source to the kernel"},
		"large-communities":       {"sends doubles"},
		"med":                     {"leaves out a MED of 0"},
		"local-pref":              {"tells everybody its LOCAL_PREF"},
		"prepend":                 {"counts itself in"},
		"next-hop":                {"is always the next hop"},
		"per-peer":                {"tells all"},
		"graceful-restart-off":    {"always offers graceful restart"},
		"graceful-restart":        {"sets the N bit", "sends no End-of-RIB"},
		"graceful-restart-killed": {"sends no End-of-RIB"},

		"daemon-absent":    {"does not say what is down", "does as if the daemon were there"},
		"daemon-restarted": {"believes what it did last", "says nothing of the daemon's end"},
		"daemon-foreign":   {"leaves a line"},
		"daemon-serialise": {"keeps what another Apply wanted"},
	}
	free := make(chan struct{}, 16)
	for _, c := range bgpCases {
		if len(bugs[c.name]) == 0 {
			t.Errorf("no bug shows that case %s can fail", c.name)
		}
		for _, bug := range bugs[c.name] {
			t.Run(c.name+"/"+bug, func(t *testing.T) {
				driven := strings.HasPrefix(c.name, "daemon-") || c.name == "close-keeps"
				under := refUnder(t, bug, driven)
				// The bug is waited for to the end of patience. What works here takes milliseconds.
				under.Patience = 5 * time.Second
				done := make(chan Result, 1)
				go func() {
					free <- struct{}{}
					defer func() { <-free }()
					done <- runBGPCase(context.Background(), under, c)
				}()
				t.Parallel()
				r := <-done
				if r.Err == nil {
					t.Errorf("a backend that %s passes", bug)
				}
				t.Log(r)
			})
		}
	}
}

func TestRunBGP(t *testing.T) {
	under := refUnder(t, "sets the N bit", false)
	under.Except = map[string]string{"graceful-restart": "it knows no better", "md5": "for no reason"}
	results := map[string]Result{}
	kept, err := RunBGP(t.Context(), under, func(r Result) { results[r.Case] = r })
	if kept || err != nil || len(results) != len(bgpCases) {
		t.Errorf("kept %v, %v, %d of %d cases reported", kept, err, len(results), len(bgpCases))
	}
	for name, want := range map[string]string{
		"graceful-restart": "except graceful-restart: it knows no better",
		"md5":              `FAIL  md5: with the right TCP-MD5 key the session comes up`,
		"daemon-absent":    "-     daemon-absent: it drives no daemon",
		"bgp-info":         "ok    bgp-info",
	} {
		if got := results[name].String(); !strings.HasPrefix(got, want) {
			t.Errorf("reported %q, want %q", got, want)
		}
	}
	if err := results["md5"].Err; err == nil || !strings.Contains(err.Error(), "take the exception") {
		t.Errorf("an exception that is not needed: %v", err)
	}
	under.Except = map[string]string{"md6": "a typo"}
	if _, err := RunBGP(t.Context(), under, nil); err == nil {
		t.Error("an exception for no case is taken")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	kept, err = RunBGP(ended, refUnder(t, "", false), func(r Result) { t.Errorf("reported after the end: %s", r) })
	if kept || err == nil {
		t.Error("kept all promises without being asked")
	}
}
